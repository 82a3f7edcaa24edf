"""A family of differential equations, solved by small networks that one hypernet generates (HyperPINN).

de Avila Belbute-Peres, Chen & Sha, "HyperPINN: Learning parameterized differential equations with physics-informed
hypernetworks", NeurIPS 2021 workshop "The Symbiosis of Deep Learning and Differential Equations" (arXiv:2111.01008).

A physics-informed network is the solution of a differential equation: a function of place and time, trained until the
equation holds where it is asked to. It solves one equation. For all equations of a family, the parameter could be one
more input, but then each solution costs a network that is large enough for all of them. Here a hypernet reads the
parameter and generates the network of that one equation, which may be small. The family is Burgers' equation on
``x`` in [-1, 1] and ``t`` in [0, 1], ``u_t + u u_x = nu u_xx`` with ``u(x, 0) = -sin(pi x)`` and zero at both ends: the
smaller the viscosity ``nu``, the steeper the front that forms in the middle.

Faithful.
    The loss is the mean square of the residual at points and viscosities that are drawn anew for each step, several
    viscosities at a time. No solution is seen in training. All weights of a small tanh network are generated at once.
    The derivatives are those of the generated networks with respect to their inputs, exact, of all of them in one pass.

Differs.
    Boundary and initial condition hold by construction: the network ``n`` stands in
    ``u = -sin(pi x) + t (1 - x^2) n(x, t)``, which leaves no weights between losses to be chosen. Viscosities are drawn
    uniformly by their logarithm, which the hypernet reads brought to [-1, 1]. It starts as this library's hypernets do.
    Of the publication's two families, Lorenz' equations are left out. Its sizes were not at hand: the defaults are
    those of a usual network for this equation, the setting ``default`` is smaller, and its range of viscosities is
    one decade. It compares at equal time, as far as a fixed number of steps can: ``pace`` is how many steps a network
    takes while the hypernet takes one, set such that networks without a hypernet get somewhat more time, which a claim
    checks.

    Each variant has a rate of its own, chosen by the error at viscosities between those of the test, with one seed: of
    .004 and .008 for the hypernet, of .016, .032 and .045 for the concatenated network, and of .004, .008 and .016 for
    the wide one. Gradients are clipped, which helps all of them.

Expected.
    Relative L2 error of nine viscosities, their mean and the worst; mean and spread of three seeds, as in ``results/``.
    The publication's numbers were not at hand.

    ==================  ==============  ==============  =======
    variant             mean            worst           seconds
    ==================  ==============  ==============  =======
    hypernet            .0025 +- .0002  .0077 +- .0011  65
    concatenated        .0063 +- .0003  .0158 +- .0013  75
    concatenated, wide  .0051 +- .0001  .0163 +- .0027  75
    ==================  ==============  ==============  =======

    It takes a hypernet that reads how far a viscosity is, not on which side of the middle: when the first layer of its
    MLP had no offset at the start, it erred by .015 after 7,000 steps, and the concatenated network by .011.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, lab
from hyperdnn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: a usual network for Burgers' equation, down to a usual viscosity."""

    seed: int = 0
    viscosity: tuple[float, float] = (0.01 / math.pi, 0.1)  # lowest and highest
    target: tuple[int, ...] = (20, 20, 20, 20)  # hidden widths of the network that solves one equation
    hypernet: tuple[int, ...] = (64, 64)  # hidden widths of the network that generates it
    points: int = 256  # at which an equation is asked to hold, in one step
    pace: float = 1.0  # steps of this variant in the time of one of the hypernet's
    train: lab.train.Settings = lab.train.Settings(iterations=100_000, batch_size=16, lr=1e-3, schedule="cosine")

    def __post_init__(self) -> None:
        lab.config.check_least(self, 1, "target", "hypernet", "points")
        if not self.pace > 0:
            raise ConfigError(f"pace: expected more than 0, got {self.pace}.")


@final
class Solution(nn.Module):
    """A function of place and time, which holds initial and boundary condition whatever its network says.

    Points are ``(*any, 2)``, place and time; more inputs are handed to the network only.
    """

    def __init__(self, inputs: int, *widths: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *widths)):
            layers += [nn.Linear(before, after), nn.Tanh()]  # smooth: a ReLU has no second derivative
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, points: Tensor, *more: Tensor) -> Tensor:
        x, t = points.unbind(-1)
        free: Tensor = self.net(torch.cat([points, *more], dim=-1)).squeeze(-1)
        return -torch.sin(math.pi * x) + t * (1 - x.square()) * free


@final
class Concatenated(nn.Module):
    """One network for the whole family, which reads the viscosity beside place and time."""

    def __init__(self, encoder: encoders.ScaledVector, solution: Solution) -> None:
        super().__init__()
        self.encoder = encoder
        self.solution = solution

    def forward(self, points: Tensor, *, context: Tensor) -> Tensor:
        parameter = self.encoder(context).unsqueeze(-2).expand(*points.shape[:-1], 1)
        u: Tensor = self.solution(points, parameter)
        return u


def scaled(viscosity: tuple[float, float]) -> encoders.ScaledVector:
    """Viscosities by their logarithm, brought to [-1, 1]."""
    return encoders.ScaledVector([viscosity], log=[0])


def build(config: Config) -> hd.HyperDNN:
    """A hypernet from viscosities to solutions."""
    target = hd.Target(Solution(2, *config.target))
    body = bodies.MLP(1, *config.hypernet, activation="tanh")
    head = heads.FullHead(body.hidden, target.layout)
    return hd.HyperDNN(target, hd.Hypernet(encoder=scaled(config.viscosity), body=body, head=head))


def build_concatenated(config: Config) -> Concatenated:
    """The target with one more input."""
    return Concatenated(scaled(config.viscosity), Solution(3, *config.target))


def data(config: Config) -> lab.data.Equations:
    """Points to learn from, without solutions, and viscosities with solutions to measure."""
    return lab.data.burgers(config.viscosity, points=config.points)


def residual(u: Callable[[Tensor], Tensor], points: Tensor, viscosity: Tensor) -> Tensor:
    """What Burgers' equation leaves of functions ``u`` at points ``(*any, 2)``, which can be differentiated again."""
    points = points.detach().requires_grad_()
    value = u(points)
    # Each value depends on its own point alone, so that the gradient of their sum has the derivatives of all of them.
    first = torch.autograd.grad(value.sum(), points, create_graph=True)[0]
    u_x, u_t = first.unbind(-1)
    u_xx = torch.autograd.grad(u_x.sum(), points, create_graph=True)[0][..., 0]
    return u_t + value * u_x - viscosity * u_xx


def step(model: nn.Module, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The mean square of the residuals; weights are generated once for all derivatives of an equation."""

    def u(points: Tensor) -> Tensor:
        values: Tensor = model(points, context=batch.context)
        return values

    return {"loss": F.mse_loss(residual(u, batch.inputs, batch.context), batch.targets)}


def fit_in_time(
    state: lab.train.State,
    data: lab.data.Equations,
    settings: lab.train.Settings,
    *,
    step: lab.train.Step,
    evaluate: lab.train.Evaluate,
    log: lab.train.Log,
) -> lab.train.Outcome:
    """As many steps as take the time of the hypernet's."""
    settings = replace(settings, iterations=max(round(state.config.pace * settings.iterations), 1))
    return lab.train.fit(state, data, settings, step=step, evaluate=evaluate, log=log)


def errors(model: nn.Module, batch: lab.data.Batch) -> Tensor:
    """The relative L2 error of each equation's solution, over all its points."""
    size = partial(torch.linalg.vector_norm, dim=-1)
    found: Tensor = size(model(batch.inputs, context=batch.context) - batch.targets) / size(batch.targets)
    return found


def evaluate(model: nn.Module, equations: lab.data.Equations) -> dict[str, Any]:
    """Errors of the solutions of equations that were not learnt from, of their mean and of the worst."""
    found, shown = errors(model, equations.test), equations.shown
    field: Tensor = model(shown.inputs, context=shown.context)
    moments = shown.inputs[0, :, 1]
    places = int((moments == moments[0]).sum())
    return {
        "error": found.mean().item(),
        "worst_error": found.max().item(),
        "error_by_viscosity": torch.stack([equations.test.context[:, 0], found], dim=-1).tolist(),
        "field": field.view(-1, places).tolist(),
        "exact_field": shown.targets.view(-1, places).tolist(),
    }


def figures(results: lab.report.Results) -> list[lab.report.Figure]:
    """Errors by viscosity, and the steepest solution of each variant beside the exact one."""
    arrays = results["arrays"]
    fields = {"exact": next(iter(arrays.values()))["exact_field"]}
    fields |= {name: found["field"] for name, found in arrays.items()}
    return [
        lab.report.lines(
            {name: found["error_by_viscosity"] for name, found in arrays.items()},
            title="Equations of the family",
            caption="Lower is better; the lower the viscosity, the steeper the solution.",
            xlabel="viscosity",
            ylabel="relative error",
            log=True,
        ),
        *(
            lab.report.field(
                rows,
                title=f"The lowest viscosity: {name}",
                caption="Two waves that run into each other, from below upwards.",
                xlabel="place",
                ylabel="time",
                limits=(-1.0, 1.0),
                extent=(-1.0, 1.0, 0.0, 1.0),
            )
            for name, rows in fields.items()
        ),
    ]


RECIPE = lab.Recipe(
    summary="Solves a family of differential equations: a hypernet generates a small network for each of them.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=fit_in_time,
    reference=lab.Reference(
        title="HyperPINN: Learning parameterized differential equations with physics-informed hypernetworks",
        authors="de Avila Belbute-Peres, Chen & Sha",
        venue="NeurIPS workshop on the symbiosis of deep learning and differential equations",
        year=2021,
        url="https://arxiv.org/abs/2111.01008",
    ),
    claims=(
        lab.Claim(
            text="Generated networks err at most half as much as one network of their size that reads the viscosity.",
            config="default",
            metric="hypernet/error",
            over="concatenated/error",
            at_most=0.5,
        ),
        lab.Claim(
            text="They are trained in no more time.",
            config="default",
            metric="hypernet/training_seconds",
            over="concatenated/training_seconds",
            at_most=1.0,
        ),
        lab.Claim(
            text="They err by at most 2 %.",
            config="default",
            metric="hypernet/error",
            at_most=0.02,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "concatenated": lab.Variant(build=build_concatenated, changes={"pace": 1.6, "train.lr": 3.2e-2}),
        "concatenated, wide": lab.Variant(
            build=build_concatenated, changes={"target": (146, 146, 146), "pace": 0.3, "train.lr": 8e-3}
        ),
    },
    figures=figures,
    space={"train.lr": "5e-4..1e-2:log"},
)
