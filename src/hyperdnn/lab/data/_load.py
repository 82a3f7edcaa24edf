"""Data sets by name, for configurations."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.data._batch import Task
from hyperdnn.lab.data._cifar10 import cifar10
from hyperdnn.lab.data._digits import digits
from hyperdnn.lab.data._mnist import fashion_mnist, mnist

__all__ = ["load"]

_READERS: Final[Mapping[str, Callable[..., Task]]] = MappingProxyType(
    {"digits": digits, "mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10}
)


def load(name: str, *, pad: int = 0, normalise: bool = False) -> Task:
    """A plain set of images: "digits" (8 x 8, no download), "mnist", "fashion_mnist" (28 x 28), "cifar10" (32 x 32).

    Args:
        name: the data set.
        pad: black pixels added on each side.
        normalise: mean 0 and deviation 1 over the training pixels, instead of the range [0, 1].

    Raises:
        ConfigError: an unknown name.
        DataError: files that are absent, damaged or out of reach.
    """
    if name not in _READERS:
        raise ConfigError(f"there is no data set '{name}'.{nearest(name, _READERS)}")
    return _READERS[name](pad=pad, normalise=normalise)
