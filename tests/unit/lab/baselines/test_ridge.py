import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines import ridge


def _data(samples: int = 6, features: int = 4, outputs: int = 3):
    generator = torch.Generator().manual_seed(0)
    draw = [torch.randn(samples, n, generator=generator, dtype=torch.float64) for n in (features, outputs)]
    return draw[0], draw[1], features, outputs


def _loss(flat, x, y, penalties):
    weight, bias = flat.split((y.shape[1] * x.shape[1], y.shape[1]))
    return F.mse_loss(F.linear(x, weight.view(y.shape[1], -1), bias), y) + (penalties * flat.square()).sum()


@pytest.mark.parametrize("samples", [1, 3, 9])  # fewer samples than weights, and more
@pytest.mark.parametrize("each", [True, False])
def test_the_gradient_of_the_penalised_loss_is_zero(samples, each):
    x, y, features, outputs = _data(samples)
    number = outputs * (features + 1)
    penalties = torch.logspace(-3, 1, number if each else 1, dtype=torch.float64)
    flat = ridge(x, y, penalties).requires_grad_()
    (slope,) = torch.autograd.grad(_loss(flat, x, y, penalties), flat)
    assert slope.abs().max() < 1e-12
    assert flat.abs().max() > 1e-3


def test_it_is_in_the_order_of_a_linear_layer():
    x, y, features, outputs = _data()
    flat, layer = ridge(x, y, torch.tensor([1e-9])), nn.Linear(features, outputs).double()
    nn.utils.vector_to_parameters(flat, layer.parameters())
    exact = torch.linalg.lstsq(torch.cat([x, torch.ones(6, 1, dtype=torch.float64)], -1), y).solution
    torch.testing.assert_close(layer.weight, exact[:-1].mT, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(layer.bias, exact[-1], atol=1e-6, rtol=1e-5)


def test_leading_dimensions_stay_and_rows_are_apart():
    x, y, features, outputs = _data()
    penalties = torch.rand(2, 5, outputs * (features + 1), dtype=torch.float64) + 0.1
    found = ridge(x, y, penalties)
    assert found.shape == penalties.shape
    torch.testing.assert_close(found[1, 3], ridge(x, y, penalties[1, 3]))
    assert ridge(x, y, penalties[:0]).shape == (0, 5, outputs * (features + 1))
    same = ridge(x, y, torch.full((1,), 0.3))
    torch.testing.assert_close(same, ridge(x, y, torch.full((outputs * (features + 1),), 0.3)))


def test_the_type_is_that_of_the_targets_whatever_it_is_solved_in():
    x, y, *_ = _data()
    assert ridge(x.float(), y.float(), torch.tensor([0.1])).dtype == torch.float32
    torch.testing.assert_close(
        ridge(x.float(), y, torch.tensor([0.1])), ridge(x, y, torch.tensor([0.1])), rtol=1e-5, atol=1e-6
    )


def test_other_numbers_of_penalties_are_refused():
    x, y, *_ = _data()
    with pytest.raises(ConfigError, match="penalties: expected 1 or one for each of 15 weights, got 4"):
        ridge(x, y, torch.ones(4))
