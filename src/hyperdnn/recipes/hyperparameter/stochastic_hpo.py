"""Penalties on weights, tuned by gradients through a hypernet that answers a penalty with trained weights.

Lorraine & Duvenaud, "Stochastic hyperparameter optimization through hypernetworks", 2018 (arXiv:1802.09419).

How strongly large weights should be punished is found by trying: weights are trained for each penalty anew, and those
with the lowest loss on validation data win. What training comes to is a function of the penalty, its best response.
Here a hypernet learns that function: it generates weights for penalties drawn at random, and is trained by their
training loss. Through it the validation loss has a gradient with respect to the penalty. The global algorithm learns
the response to all penalties, then looks for the best one. The local algorithm draws penalties around the present one,
for which a linear hypernet suffices, and trains both in turns; so it can tune one for each weight.

Faithful.
    The losses: mean squared error of a linear classifier on one-hot classes, plus ``exp(penalty) w^2`` in training, and
    nothing in validation. Two penalties in a step, each with a loss of its own. Neither player's gradient reaches the
    other. The hypernets: 50 hidden units for one penalty (global), a linear map for one, one through 10 units for all
    (local). Ten steps of a local hypernet for each of its penalties'. Few rows to learn from, so that penalties matter.

Differs.
    What is found is judged by the exact best response, which a linear classifier has. Local hypernets read how far a
    penalty is from the present one: their bias answers that one wherever it goes. Weights start at zero, in hypernets
    and baselines; penalties stay within bounds. Published rates and lengths are the defaults; those of ``default`` take
    less than a third of the gradients of 25 trainings. Random search has as many as hypernets, which are eight
    trainings: so few that Optuna's sampler would draw each at random. The publication predicts losses for thousands of
    penalties, where a Gaussian process fails; for a single one its error is next to nothing.

Expected.
    Mean squared errors of the best response to what was found; mean and spread of three seeds, as in ``results/``.

    ===========  ===============  ===============  ================
    variant      validation       test             prediction error
    ===========  ===============  ===============  ================
    global       .0548 +- .0008   .0546 +- .0009   6e-4 +- 2e-4
    local        .0548 +- .0008   .0546 +- .0009   5.0e-3
    each weight  .0553 +- .0006   .0551 +- .0008   none
    grid         .0548 +- .0008   .0546 +- .0009   2e-6 (its process)
    random       .0560 +- .0019   .0558 +- .0015   2e-4 +- 1e-4
    ===========  ===============  ===============  ================
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, lab
from hyperdnn.lab import baselines

BOUNDS: Final = (-6.0, 4.0)  # of penalties, which are logarithms throughout
HELD_OUT: Final = 15  # of them, at which predicted validation losses are compared with true ones


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting of the global algorithm."""

    seed: int = 0
    source: Literal["digits", "mnist"] = "mnist"
    per_class: int = 1  # rows to train on
    middle: float = 0.0  # of the penalties that the global algorithm draws
    spread: float = math.sqrt(1.5)  # deviation of those that are drawn
    start: float = -3.5  # where tuning begins
    samples: int = 2  # penalties in one step
    each: bool = False  # a penalty for each weight instead of one for all
    units: int = 50  # hidden in the hypernet
    times: int = 10  # steps of a local hypernet for each of its penalties'
    networks: int = 25  # that grid and random search train
    train: lab.train.Settings = lab.train.Settings(iterations=100_000, batch_size=1000, lr=1e-4)
    tuning: lab.train.Settings = lab.train.Settings(iterations=1000, batch_size=1000, lr=0.1)
    search: lab.train.Settings = lab.train.Settings(iterations=1000, batch_size=1000, lr=1e-4)

    def __post_init__(self) -> None:
        lab.config.check_least(self, 1, "per_class", "samples", "units", "times", "networks")


@final
class Tuned(nn.Module):
    """Penalties, and a hypernet that is trained to answer those around ``middle``; around the present ones if None."""

    def __init__(self, config: Config, body: bodies.MLP | bodies.Linear, *, middle: float | None) -> None:
        super().__init__()
        net = build_target(config)
        head = heads.FullHead(body.hidden, hd.ParamLayout.of(net), normalize=False)
        init.from_target_(head, net)
        hypernet = hd.Hypernet(encoder=encoders.Vector(body.features), body=body, head=head)
        self.response = hd.HyperDNN(hd.Target(net), hypernet)
        self.penalties = nn.ParameterList([torch.full((body.features,), config.start)])
        self.spread, self.middle = config.spread, middle

    def present(self) -> Tensor:
        """The penalties as they are; what an optimiser moved too far is taken back."""
        with torch.no_grad():
            self.penalties[0].clamp_(*BOUNDS)  # as an operation of the graph it would have no gradient outside
        return self.penalties.get_parameter("0")

    def centre(self) -> Tensor:
        """What penalties are drawn around: a constant, whoever's turn it is."""
        present = self.present().detach().clone()
        return present if self.middle is None else torch.full_like(present, self.middle)

    def answer(self, penalties: Tensor) -> Tensor:
        """Flat weights for penalties ``(*any, number)``."""
        return self.response.target.layout.join(self.response.generate((penalties - self.centre()) / self.spread))


def build_target(config: Config) -> nn.Module:
    """A linear classifier, which starts at zero."""
    net = nn.Sequential(nn.Flatten(), nn.Linear({"digits": 64, "mnist": 784}[config.source], 10))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net


def number_of_penalties(config: Config) -> int:
    """One, or one for each weight."""
    return sum(p.numel() for p in build_target(config).parameters()) if config.each else 1


def build(config: Config) -> Tuned:
    """Global: hidden units, whose kinks lie all over the penalties that are drawn."""
    return Tuned(config, bodies.MLP(number_of_penalties(config), config.units), middle=config.middle)


def build_local(config: Config) -> Tuned:
    """Local: a linear map of how far penalties are from the present ones."""
    number = number_of_penalties(config)
    return Tuned(config, bodies.Linear(number, min(config.units, number)), middle=None)


def build_grid(config: Config) -> baselines.Many:
    """Networks that are trained from scratch, side by side, with penalties in equal steps."""
    networks = baselines.Many(build_target(config) for _ in range(config.networks))
    networks.register_buffer("penalties", torch.linspace(*BOUNDS, config.networks)[:, None])
    return networks


def build_random(config: Config) -> baselines.Many:
    """The same with penalties drawn evenly."""
    networks = build_grid(config)
    networks.get_buffer("penalties").uniform_(*BOUNDS)
    return networks


def data(config: Config) -> lab.data.TwoLevels:
    """Few rows to train on, of which each seed draws others."""
    task = lab.data.scarce(lab.data.load(config.source), per_class=config.per_class, seed=config.seed)
    return lab.data.TwoLevels(task=task, noise_shape=(config.samples, number_of_penalties(config)))


def one_hot(batch: lab.data.Batch) -> Tensor:
    """Classes as numbers."""
    return F.one_hot(batch.targets.long(), 10).to(batch.inputs)


def losses(target: hd.Target, weights: Tensor, batch: lab.data.Batch) -> Tensor:
    """Mean squared errors of some networks ``(networks, weights)``, over rows and classes."""
    outputs = target.batched(target.layout.split(weights), batch.inputs, data_dims=None)
    return F.mse_loss(outputs, one_hot(batch).expand_as(outputs), reduction="none").mean((-2, -1))


def penalised(target: hd.Target, weights: Tensor, batch: lab.data.Batch, penalties: Tensor) -> Tensor:
    """The same in training: each network's with its own penalty, or penalties, in it."""
    return losses(target, weights, batch) + (penalties.exp() * weights.square()).sum(-1)


def respond(model: Tuned, batch: lab.data.TwoLevelBatch, state: lab.train.State) -> dict[str, Tensor]:
    """The hypernet: the training loss of the weights that answer drawn penalties."""
    penalties = (model.centre() + model.spread * batch.noise).clamp(*BOUNDS)
    return {"loss": penalised(model.response.target, model.answer(penalties), batch.train, penalties).mean()}


def tune(model: Tuned, batch: lab.data.TwoLevelBatch, state: lab.train.State) -> dict[str, Tensor]:
    """The penalties: the validation loss of the weights that answer them."""
    weights = model.answer(model.present()[None])
    return {"loss": losses(model.response.target, weights, batch.validation).mean()}


def search(model: baselines.Many, batch: lab.data.TwoLevelBatch, state: lab.train.State) -> dict[str, Tensor]:
    """The training loss of every network."""
    return {"loss": penalised(model.target, model.rows, batch.train, model.get_buffer("penalties")).sum()}


def exact(task: lab.data.Task, penalties: Tensor) -> Tensor:
    """The weights that training would come to, flat: the best response to penalties ``(*any, number)``."""
    batch = task.train[:]
    return baselines.ridge(batch.inputs.flatten(1), one_hot(batch), penalties.exp())


def outcome(model: Any, part: lab.data.Batch) -> tuple[hd.Target, Tensor, Callable[[Tensor], Tensor]]:
    """The classifier, the penalties that were found, and what is predicted to be lost on a part with others."""
    if isinstance(model, Tuned):
        target = model.response.target
        return target, model.present(), lambda penalties: losses(target, model.answer(penalties), part)
    found, penalties = losses(model.target, model.rows, part), model.get_buffer("penalties")
    return model.target, penalties[found.argmin()], partial(baselines.gaussian_process, penalties, found)


def evaluate(model: Tuned | baselines.Many, data: lab.data.TwoLevels) -> dict[str, Any]:
    """Losses of the best response to what was found, and how well those of other penalties are predicted."""
    task, validation = data.task, data.task.validation[:]
    target, penalties, predict = outcome(model, validation)
    weights = exact(task, penalties[None])
    found: dict[str, Any] = {
        "validation": losses(target, weights, validation).item(),
        "test": losses(target, weights, task.test[:]).item(),
        "penalty": penalties.mean().item(),
    }
    if len(penalties) > 1:
        return found
    held_out = torch.empty(HELD_OUT).uniform_(*BOUNDS, generator=torch.Generator().manual_seed(0))
    asked = torch.cat([held_out, torch.linspace(*BOUNDS, 41)])[:, None].to(penalties)
    true, predicted = losses(target, exact(task, asked), validation), predict(asked)
    for name, values in (("exact", true), ("predicted", predicted)):
        found[name] = torch.stack([asked[HELD_OUT:, 0], values[HELD_OUT:]], dim=-1).tolist()
    return {**found, "prediction_error": (true - predicted)[:HELD_OUT].abs().mean().item()}


IN_TURNS = lab.train.in_turns(
    lab.train.Turn(part="response", step=respond, times=attrgetter("times")),
    lab.train.Turn(part="penalties", step=tune, lr=attrgetter("tuning.lr")),
)
EACH: Final = {"each": True, "units": 10, "spread": 0.5, "start": -3.0}  # near what one penalty comes to
SEARCH = partial(lab.train.stages, plan=(lab.train.Stage(part="", step=search, settings=attrgetter("search")),))

RECIPE = lab.Recipe(
    summary="Tunes penalties by gradients: a hypernet answers them with the weights that training would come to.",
    config=Config,
    build=build,
    data=data,
    step=respond,
    evaluate=evaluate,
    loop=partial(
        lab.train.stages,
        plan=(
            lab.train.Stage(part="response"),
            lab.train.Stage(part="penalties", step=tune, settings=attrgetter("tuning")),
        ),
    ),
    reference=lab.Reference(
        title="Stochastic Hyperparameter Optimization through Hypernetworks",
        authors="Lorraine & Duvenaud",
        venue="arXiv",
        year=2018,
        url="https://arxiv.org/abs/1802.09419",
    ),
    claims=(
        lab.Claim(
            text="With a third of the gradients, the global algorithm comes within 2 % of the best of 25 penalties.",
            config="default",
            metric="global/validation",
            over="grid/validation",
            at_most=1.02,
        ),
        lab.Claim(
            text="So does the local algorithm.",
            config="default",
            metric="local/validation",
            over="grid/validation",
            at_most=1.02,
        ),
        lab.Claim(
            text="The global hypernet predicts validation losses better than a Gaussian process through 25 of them.",
            config="default",
            metric="global/prediction_error",
            over="grid/prediction_error",
            at_most=1.0,
        ),
        lab.Claim(
            text="With a penalty for each weight the validation loss is no higher than with the best of 25 for all.",
            config="default",
            metric="each weight/validation",
            over="grid/validation",
            at_most=1.0,
        ),
        lab.Claim(
            text="Its test loss is at most 1 % higher.",
            config="default",
            metric="each weight/test",
            over="grid/test",
            at_most=1.01,
        ),
    ),
    variants={
        "global": lab.Variant(),
        "local": lab.Variant(build=build_local, step=IN_TURNS, loop=lab.train.fit, changes={"spread": 0.5}),
        "each weight": lab.Variant(build=build_local, step=IN_TURNS, loop=lab.train.fit, changes=EACH),
        "grid": lab.Variant(build=build_grid, loop=SEARCH),
        "random": lab.Variant(build=build_random, loop=SEARCH, changes={"networks": 8}),
    },
    figures=partial(lab.report.response_figures, hyperparameter="log penalty", loss="mean squared error"),
)
