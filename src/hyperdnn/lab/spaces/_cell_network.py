"""Networks for images that are made of one cell."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.spaces._cells import Cell, unread

__all__ = ["LEAVES", "CellNetwork", "Convolution", "Separable"]

Traced: TypeAlias = Any
"""A tensor, or a symbol for one while a network is read."""


@final
class Convolution(nn.Module):
    """ReLU, convolution, norm.

    The norm works by the statistics of the batch, after training, too: where weights are generated, running statistics
    would belong to no network.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: its side, an odd number: images keep theirs.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = _norm(outputs)

    def forward(self, images: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.weigh(images.relu()))
        return normed


@final
class Separable(nn.Module):
    """ReLU, a convolution within each channel, one within each pixel, and a norm as that of `Convolution`.

    Args:
        channels: of the input, and of the output.
        kernel: the side of the first one's kernel, an odd number.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.within = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.across = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = _norm(channels)

    def forward(self, images: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.across(self.within(images.relu())))
        return normed


LEAVES: Final = (Convolution, Separable)
"""Layers that count as one operation each where a network is read as a graph."""

_LAYERS: Final[Mapping[str, Callable[[int], nn.Module]]] = MappingProxyType(
    {
        "conv1": lambda channels: Convolution(channels, channels, 1),
        "conv3": lambda channels: Convolution(channels, channels, 3),
        "separable3": lambda channels: Separable(channels, 3),
        "pool": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
        "skip": lambda channels: nn.Identity(),
    }
)


@final
class CellNetwork(nn.Module):
    """A cell at several widths, each time with weights of its own, and a classifier of the mean over pixels.

    The first width is entered by a 3 x 3 convolution, the others by one of each pixel, and images are halved then.

    Args:
        cell: as `draw_cells` draws it.
        inputs: channels of the images.
        channels: the widths.
        classes: what images are told apart by.

    Shape:
        ``(images, inputs, height, width)`` -> ``(images, classes)``.

    Raises:
        ConfigError: no node, an operation that there is not, or a node that reads what is not before it.
    """

    def __init__(self, cell: Cell, inputs: int, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        _check(cell)
        layers: list[nn.Module] = []
        for before, width in pairwise((inputs, *channels)):
            layers += [Convolution(before, width, 1 if layers else 3), nn.MaxPool2d(2), _Wired(cell, width)]
        self.cell = cell
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Linear(channels[-1], classes)

    def forward(self, images: Traced) -> Traced:
        return self.classify(self.layers(images).relu().mean((-2, -1)))


@final
class _Wired(nn.Module):
    """The cell at one width."""

    def __init__(self, cell: Cell, channels: int) -> None:
        super().__init__()
        self.cell = cell
        self.nodes = nn.ModuleList(_LAYERS[name](channels) for name, _ in cell)

    def forward(self, images: Traced) -> Traced:
        made = [images]
        for node, (_, sources) in zip(self.nodes, self.cell, strict=True):
            made.append(node(_total(made[source] for source in sources)))
        return _total(made[node] for node in unread(self.cell))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def _total(images: Iterable[Traced]) -> Traced:
    """The sum, which is no operation where there is only one."""
    return reduce(torch.add, images)


def _check(cell: Cell) -> None:
    if not cell:
        raise ConfigError("cell: expected a node or more, got none.")
    for node, (name, sources) in enumerate(cell, start=1):
        if name not in _LAYERS:
            raise ConfigError(f"cell: node {node} does '{name}', which is no operation.{nearest(name, _LAYERS)}")
        if not sources or not all(0 <= source < node for source in sources):
            raise ConfigError(
                f"cell: node {node} reads {sources}: expected some of 0 to {node - 1}, what is before it."
            )
