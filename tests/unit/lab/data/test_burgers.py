import math

import numpy as np
import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab import data


def _points(*, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    unit = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return unit * torch.tensor([1.9, 0.9]) + torch.tensor([-0.95, 0.05])


def _by_gauss_hermite(x: float, t: float, nu: float) -> float:
    """The textbook's two integrals, by the usual nodes, in plain numbers."""
    nodes, weights = np.polynomial.hermite.hermgauss(120)
    y = math.pi * (x - math.sqrt(4 * nu * t) * nodes)
    kernel = weights * np.exp(-np.cos(y) / (2 * math.pi * nu))
    return float(-(kernel * np.sin(y)).sum() / kernel.sum())


@pytest.mark.parametrize("nu", [0.01, 0.03, 0.1])
def test_the_solution_is_that_of_another_quadrature(nu):
    points = _points()
    expected = [_by_gauss_hermite(x, t, nu) for x, t in points.tolist()]
    found = data.burgers_solution(points, torch.full((1,), nu, dtype=torch.float64))
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("nu", [0.01 / math.pi, 0.01, 0.1])
def test_the_solution_solves_the_equation(nu):
    points, step = _points(), 1e-4
    points = points[points[:, 0].abs() > 0.1]  # inside the front, differences over a step are no derivatives

    def u(x: float = 0.0, t: float = 0.0) -> torch.Tensor:
        return data.burgers_solution(points + torch.tensor([x, t]), torch.tensor([nu], dtype=torch.float64))

    u_t = (u(t=step) - u(t=-step)) / (2 * step)
    u_x = (u(x=step) - u(x=-step)) / (2 * step)
    u_xx = (u(x=step) - 2 * u() + u(x=-step)) / step**2
    assert (u_t + u() * u_x - nu * u_xx).abs().max() < 1e-4
    assert u_x.abs().max() > 1


def test_a_thick_fluid_forgets_all_but_its_slowest_wave():
    x, t = torch.tensor([0.1, 0.5, -0.7], dtype=torch.float64), 0.8
    found = data.burgers_solution(torch.stack([x, torch.full_like(x, t)], -1), torch.tensor([1.0], dtype=torch.float64))
    wave = -math.exp(-(math.pi**2) * t) * torch.sin(math.pi * x)
    torch.testing.assert_close(found, wave, rtol=5e-3, atol=0)


def test_it_begins_as_a_wave_and_is_zero_at_the_ends():
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    nu = torch.tensor([0.01], dtype=torch.float64)
    begin = data.burgers_solution(torch.stack([x, torch.zeros(9, dtype=torch.float64)], -1), nu)
    torch.testing.assert_close(begin, -torch.sin(math.pi * x))
    ends = data.burgers_solution(torch.tensor([[-1.0, 0.7], [1.0, 0.7], [0.0, 0.7]], dtype=torch.float64), nu)
    assert ends.abs().max() < 1e-12


def test_leading_dimensions_stay_and_each_point_may_have_its_viscosity():
    points, nu = _points()[:6].view(2, 3, 2), torch.tensor([[0.02], [0.1]], dtype=torch.float64)
    found = data.burgers_solution(points, nu)
    assert found.shape == (2, 3)
    torch.testing.assert_close(found[1], data.burgers_solution(points[1], nu[1]))
    assert data.burgers_solution(points[:0], nu[:0]).shape == (0, 3)


def test_what_is_measured_lies_between_what_is_chosen_on_and_on_a_grid():
    equations = data.burgers((0.01, 0.1), points=5)
    test, validation = (part.context[:, 0].tolist() for part in (equations.test, equations.validation))
    assert (test[0], test[-1]) == pytest.approx((0.01, 0.1))
    assert all(low < between < high for low, between, high in zip(test, validation, test[1:], strict=False))
    assert equations.test.inputs.shape == (9, 404, 2)
    assert equations.test.targets.shape == (9, 404)
    field = equations.shown.inputs.view(41, 101, 2)
    assert field[7, :, 1].unique().tolist() == pytest.approx([7 / 40])
    assert field[7, [0, -1], 0].tolist() == [-1, 1]
    assert equations.shown.context.tolist() == [[pytest.approx(0.01)]]


def test_points_fill_the_domain_and_viscosities_are_even_by_their_logarithm():
    points = data.burgers((0.001, 0.1), points=64).train
    batch = points.sample(2000, generator=torch.Generator().manual_seed(0))
    assert (batch.context.shape, batch.inputs.shape) == ((2000, 1), (2000, 64, 2))
    assert batch.context.log10().mean().item() == pytest.approx(-2, abs=0.05)
    low, high = batch.inputs.flatten(0, 1).aminmax(dim=0)
    assert low.tolist() == pytest.approx([-1, 0], abs=1e-3)
    assert high.tolist() == pytest.approx([1, 1], abs=1e-3)
    assert batch.targets.eq(0).all()  # of the residual: there are no solutions to learn from
    again = points.sample(2000, generator=torch.Generator().manual_seed(0))
    assert again.inputs.equal(batch.inputs)


def test_it_moves_to_another_device_as_a_whole():
    moved = data.burgers((0.01, 0.1), points=5).to("meta")
    batch = moved.train.sample(2, generator=torch.Generator())
    assert {part.inputs.device.type for part in (moved.test, moved.validation, moved.shown, batch)} == {"meta"}


def test_settings_are_chosen_without_the_test_equations():
    equations = data.burgers((0.01, 0.1), points=5)
    assert data.on_validation(equations).test is equations.validation


@pytest.mark.parametrize("viscosity", [(0.0, 0.1), (0.1, 0.1), (0.1, 0.01), (0.1, math.inf), (math.nan, 0.1)])
def test_viscosities_without_sense_are_refused(viscosity):
    with pytest.raises(ConfigError, match=r"viscosity: expected two positive numbers, the lower one first, got \("):
        data.burgers(viscosity, points=5)
