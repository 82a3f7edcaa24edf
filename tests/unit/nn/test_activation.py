import math

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.nn import activation, gain


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


def _moment(name: str, deviation: float) -> float:
    """Second moment behind the activation, of a normal number of that deviation."""
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    return float((activation(name)(deviation * z).square() * density).sum())


@pytest.mark.parametrize("name", ["elu", "gelu", "identity", "leaky_relu", "mish", "relu", "silu"])
def test_the_gain_keeps_unit_second_moment(name: str) -> None:
    assert _moment(name, gain(name)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("name", "settled"), [("tanh", 0.43), ("sigmoid", 0.27)])
def test_saturating_activations_settle_below(name: str, settled: float) -> None:
    moment = 1.0
    for _ in range(10):
        moment = _moment(name, gain(name) * math.sqrt(moment))
    assert moment == pytest.approx(settled, abs=0.006)


def test_the_gain_of_an_unknown_name_and_of_sine() -> None:
    with pytest.raises(ConfigError, match=r"activation 'relo' is unknown\. Did you mean 'relu'\?"):
        gain("relo")
    with pytest.raises(ConfigError, match=r"'sine' needs layers that start in its own way, which bodies\.MLP has"):
        gain("sine")
