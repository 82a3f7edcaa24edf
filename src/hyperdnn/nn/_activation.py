"""Activations by name, so that a configuration file can say which, and how layers before them start."""

from torch import nn

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.nn._sine import Sine

__all__ = ["activation", "gain"]

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

_GAINS: dict[str, float] = {
    "elu": 1.277960,
    "gelu": 1.468011,
    "identity": 1.0,
    "leaky_relu": (2 / (1 + 0.01**2)) ** 0.5,
    "mish": 1.451491,
    "relu": 2**0.5,
    "sigmoid": 1.0,
    "silu": 1.558760,
    "tanh": 5 / 3,
}
"""Deviation of a normal number that leaves the activation with unit second moment; saturating ones cannot have it."""


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


def gain(name: str) -> float:
    """How large the weights before an activation start, in units of ``fan_in ** -0.5``, so that depth changes nothing.

    Rows of unit second moment then keep it, layer after layer. Those of ``"tanh"`` settle at 0.43 and of
    ``"sigmoid"`` at 0.27.

    Args:
        name: of the activation.

    Raises:
        ConfigError: if there is none of that name, or for ``"sine"``, whose layers start as `siren_` says.

    Source:
        He et al., "Delving Deep into Rectifiers", ICCV 2015 (relu); the others solve the same equation.
    """
    if name == "sine":
        raise ConfigError("activation 'sine' needs layers that start in its own way, which bodies.MLP has.")
    activation(name)
    return _GAINS[name]
