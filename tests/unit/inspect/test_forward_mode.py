import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.inspect._forward_mode import derivative


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Thrice(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return 3 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient


def test_value_and_derivative_of_a_tree():
    x, v = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])
    with torch.no_grad():
        value, change = derivative(lambda x: {"a": x.square(), "b": [x.sum()]}, x, v, of=nn.Identity())
    assert value["a"].tolist() == [1.0, 4.0]
    assert change["a"].tolist() == [2.0, 0.0]
    assert change["b"][0] == 1.0


def test_attention_has_one():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    x = torch.randn(2, 3, 4)
    with torch.no_grad():
        _, change = derivative(layer, x, torch.ones_like(x), of=layer)
    h = 1e-3
    expected = (layer(x + h) - layer(x - h)) / (2 * h)
    torch.testing.assert_close(change, expected, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: torch.cdist(x, x), "_cdist_forward has no derivative in forward mode"),
        (Twice.apply, "an autograd.Function of the model has no derivative"),
        (Thrice.apply, "an autograd.Function of the model has no derivative"),
    ],
)
def test_what_has_none_is_named(function, named):
    with pytest.raises(ConfigError, match=named):
        derivative(function, torch.ones(2, 2), torch.ones(2, 2), of=nn.Identity())


def test_errors_of_the_function_stay_as_they_are():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        derivative(lambda x: x @ x, torch.ones(2, 3), torch.ones(2, 3), of=nn.Identity())
