"""What a naive reading of the publication gets wrong."""

import math

import pytest
import torch
from torch import Tensor

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.science import hyperpinn as recipe


@pytest.fixture
def config() -> recipe.Config:
    return configuration("science/hyperpinn", "tiny")


def _points(*sizes: int) -> Tensor:
    unit = torch.rand(*sizes, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return unit * torch.tensor([1.8, 0.9]) + torch.tensor([-0.9, 0.05])


@pytest.mark.parametrize("nu", [0.02, 0.1])
def test_the_exact_solution_leaves_nothing_of_the_equation(nu: float) -> None:
    viscosity = torch.tensor([nu], dtype=torch.float64)
    left = recipe.residual(lambda points: lab.data.burgers_solution(points, viscosity), _points(50), viscosity)
    assert left.abs().max() < 1e-8
    other = recipe.residual(lambda points: lab.data.burgers_solution(points, viscosity), _points(50), 2 * viscosity)
    assert other.abs().max() > 0.1


def test_derivatives_are_those_of_each_equation_s_own_network(config: recipe.Config) -> None:
    model = recipe.build(config).double()
    viscosity, points = torch.tensor([[0.03], [0.05], [0.1]], dtype=torch.float64), _points(3, 7)
    together = recipe.residual(lambda p: model(p, context=viscosity), points, viscosity)
    weights = model.generate(viscosity)
    for k, (nu, own) in enumerate(zip(viscosity[:, 0], points, strict=True)):

        def u(point: Tensor, k: int = k) -> Tensor:
            return model.call({name: w[k] for name, w in weights.items()}, point)

        for j, point in enumerate(own):
            slope, curvature = torch.func.grad(u)(point), torch.func.hessian(u)(point)[0, 0]
            expected = slope[1] + u(point) * slope[0] - nu * curvature
            torch.testing.assert_close(together[k, j], expected)


def test_the_gradient_of_the_loss_reaches_the_hypernet_through_second_derivatives(config: recipe.Config) -> None:
    model = recipe.build(config).double()
    bias = model.hypernet.head.linear.bias  # of generated weights
    batch = recipe.data(config).train.sample(2, generator=torch.Generator().manual_seed(0))
    viscosity, points = batch.context.double(), batch.inputs.double()

    def loss() -> Tensor:
        return recipe.residual(lambda p: model(p, context=viscosity), points, viscosity).square().mean()

    loss().backward()
    slope, step = bias.grad[3].item(), 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            bias[3] += sign * step
        values.append(loss().item())
        with torch.no_grad():
            bias[3] -= sign * step
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)
    assert slope != 0


def test_begin_and_ends_hold_whatever_the_network_says(config: recipe.Config) -> None:
    x = torch.linspace(-1, 1, 9)
    viscosity = torch.tensor([[0.03], [0.1]])
    for model in (recipe.build(config), recipe.build_concatenated(config)):
        begin = model(torch.stack([x, torch.zeros(9)], -1).expand(2, 9, 2), context=viscosity)
        torch.testing.assert_close(begin, -torch.sin(math.pi * x).expand(2, 9))
        ends = model(torch.tensor([[-1.0, 0.6], [1.0, 0.3], [0.4, 0.3]]).expand(2, 3, 2), context=viscosity)
        assert ends[:, :2].abs().max() < 1e-6 < ends[:, 2].abs().min()


def test_the_networks_have_the_sizes_that_are_compared() -> None:
    config = configuration("science/hyperpinn", "default")
    hypernet = recipe.build(config)
    assert hypernet.count().generated == 609
    sizes = {}
    for name, variant in recipe.RECIPE.variants.items():
        model = (variant.build or recipe.build)(lab.config.override(config, dict(variant.changes)))
        sizes[name] = sum(p.numel() for p in model.parameters())
    assert sizes["concatenated"] == 625
    assert sizes["concatenated, wide"] == pytest.approx(sizes["hypernet"], rel=0.01)


def test_the_viscosity_is_read_by_its_logarithm(config: recipe.Config) -> None:
    encoder = recipe.build(config).hypernet.encoder
    low, high = config.viscosity
    middle = torch.tensor([[low], [math.sqrt(low * high)], [high]])
    torch.testing.assert_close(encoder(middle), torch.tensor([[-1.0], [0.0], [1.0]]))
    model = recipe.build_concatenated(config)
    seen = []
    model.solution.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    model(torch.zeros(3, 2, 2), context=middle)
    torch.testing.assert_close(seen[0], torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 2, 1))


def test_errors_are_relative_and_of_each_equation_by_itself(config: recipe.Config) -> None:
    equations = recipe.data(config)

    class Wrong(torch.nn.Module):
        def forward(self, points: Tensor, *, context: Tensor) -> Tensor:
            return equations.test.targets * torch.linspace(1, 1.8, 9)[:, None]

    torch.testing.assert_close(recipe.errors(Wrong(), equations.test), torch.linspace(0, 0.8, 9))


def test_a_baked_solution_is_a_small_network_by_itself(config: recipe.Config) -> None:
    model, points = recipe.build(config), _points(5).float()
    nu = torch.tensor([0.07])
    solution = model.bake(nu)
    assert isinstance(solution, recipe.Solution)
    torch.testing.assert_close(solution(points), model(points, context=nu))
    assert not any(isinstance(part, hd.HyperDNN) for part in solution.modules())


def test_each_variant_takes_the_steps_of_its_pace(config: recipe.Config) -> None:
    equations = recipe.data(config)
    for pace, steps in ((0.5, 10), (1.2, 24), (0.01, 1)):
        changed = lab.config.override(config, {"pace": pace})
        state = lab.train.State(model=recipe.build(changed), config=changed, generator=torch.Generator())
        parts = {"step": recipe.step, "evaluate": recipe.evaluate, "log": lab.train.Log()}
        recipe.fit_in_time(state, equations, changed.train, **parts)
        assert state.step == steps


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pace": 0.0}, "pace: expected more than 0, got 0"),
        ({"points": 0}, "points: expected 1 or more, got 0"),
        ({"target": (16, 0)}, "target: expected 1 or more"),
    ],
)
def test_settings_without_sense_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        recipe.Config(**changes)
