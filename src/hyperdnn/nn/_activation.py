"""Activations by name, so that a configuration file can say which."""

from torch import nn

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.nn._sine import Sine

__all__ = ["activation"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "sine": Sine,
    "tanh": nn.Tanh,
}


def activation(name: str, *, w0: float = 30.0) -> nn.Module:
    """The activation of that name.

    Args:
        name: ``"relu"``, ``"gelu"``, ``"sine"``, ...
        w0: frequency of ``"sine"``; the others have none.

    Raises:
        ConfigError: if there is none, with the nearest name.
    """
    if name not in _ACTIVATIONS:
        raise ConfigError(f"activation '{name}' is unknown.{nearest(name, _ACTIVATIONS)}")
    return Sine(w0) if name == "sine" else _ACTIVATIONS[name]()
