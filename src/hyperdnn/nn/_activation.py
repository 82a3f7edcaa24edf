"""Activations by name, so that a configuration file can say which."""

from torch import nn

from hyperdnn.errors import ConfigError, nearest

__all__ = ["activation"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """The activation of that name.

    Raises:
        ConfigError: if there is none, with the nearest name.
    """
    if name not in _ACTIVATIONS:
        raise ConfigError(f"activation '{name}' is unknown.{nearest(name, _ACTIVATIONS)}")
    return _ACTIVATIONS[name]()
