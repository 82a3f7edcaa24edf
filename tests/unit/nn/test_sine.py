import pytest
import torch
from torch import nn

from hyperdnn.nn import Sine, siren_


def test_it_is_a_sine_of_that_frequency() -> None:
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(Sine(3.0)(x), (3 * x).sin())
    assert str(Sine()) == "Sine(w0=30.0)"


@pytest.mark.parametrize("w0", [1.0, 30.0])
def test_hidden_layers_give_the_sine_unit_variance(w0: float) -> None:
    torch.manual_seed(0)
    h = (2 * torch.pi * torch.rand(500, 256)).sin()
    for _ in range(4):
        linear = nn.Linear(256, 256)
        siren_(linear, w0, first=False)
        nn.init.zeros_(linear.bias)
        before = w0 * linear(h)
        assert before.var().item() == pytest.approx(1, rel=0.25)
        h = before.sin()


def test_the_first_layer_stays_within_the_frequency() -> None:
    linear = nn.Linear(4, 1000)
    bias = linear.bias.detach().clone()
    siren_(linear, 30.0, first=True)
    corners = torch.tensor([-1.0, 1.0]).repeat(4, 1)
    assert 0.2 < linear.weight.abs().max().item() <= 1 / 4
    assert (torch.cartesian_prod(*corners) @ linear.weight.T).abs().max() <= 1
    assert torch.equal(linear.bias, bias)
