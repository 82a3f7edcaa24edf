import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.nn import activation


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("elu", torch.nn.functional.elu),
        ("gelu", torch.nn.functional.gelu),
        ("identity", lambda x: x),
        ("leaky_relu", torch.nn.functional.leaky_relu),
        ("mish", torch.nn.functional.mish),
        ("relu", torch.relu),
        ("sigmoid", torch.sigmoid),
        ("silu", torch.nn.functional.silu),
        ("sine", lambda x: (30 * x).sin()),
        ("tanh", torch.tanh),
    ],
)
def test_the_name_says_the_function(name: str, function: object) -> None:
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(activation(name)(x), function(x))


def test_a_sine_has_the_frequency_asked_for() -> None:
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(activation("sine", w0=2.0)(x), (2 * x).sin())


def test_each_call_makes_a_new_module() -> None:
    assert activation("relu") is not activation("relu")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"activation 'relo' is unknown\. Did you mean 'relu'\?"):
        activation("relo")
