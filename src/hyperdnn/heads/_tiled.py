"""One decoder for tensors of any shape."""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError
from hyperdnn.heads._by_node import KindGains, Piece, check_rows, fixed_signs, owners, pieces
from hyperdnn.heads._map import empty_map
from hyperdnn.layout import Architecture, ParamLayout
from hyperdnn.typing import Weights

__all__ = ["TiledHead"]


@final
class TiledHead(nn.Module):
    """Generates tensors of any shape, one row of features for each node, all with one map to a tile.

    A tensor smaller than the tile takes a part of it: the first outputs and inputs, the middle of the kernel. A larger
    one is laid out with tiles. Copies would make its units equal, and equal units stay equal in training, so each
    repetition reads the row under fixed signs of its own: the same numbers of the map make an independent tile. Vectors
    and scalars have a map of their own.

    Costs ``hidden * (prod(tile) + tile[0])`` parameters, however large the target, and as many products for each
    tile that a tensor needs.

    Args:
        hidden: width of the features coming from the body.
        layout: what `forward` generates; leave it out where architectures come with the calls of `decode`.
        tile: outputs, inputs and the sides of a kernel.
        owner: of each tensor of the layout the row that it is made from: ``architecture.owner``. By default a row for
            each layer.
        slots: how many rows there are, where some make nothing: ``len(architecture.nodes)``.
        init: how generated weights start.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, slots, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: for a tile without outputs and inputs, or rows that do not fit.

    Source:
        Knyazev et al., "Parameter Prediction for Unseen Deep Architectures", NeurIPS 2021, section 4; Knyazev, Hwang &
        Lacoste-Julien, "Can We Scale Transformers to Predict Parameters of Diverse ImageNet Models?", ICML 2023 (the
        middle of the kernel). Both repeat a tile as it is.
    """

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout | None = None,
        *,
        tile: Sequence[int] = (16, 16, 3, 3),
        owner: Sequence[int] | None = None,
        slots: int | None = None,
        init: initial.Init = initial.matched,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len(tile) < 2 or min(tile) < 1:
            raise ConfigError(f"tile={tuple(tile)}: expected outputs, inputs and the sides of a kernel, each above 0.")
        self.hidden = hidden
        self.layout = layout
        self.tile = tuple(tile)
        self.owner, self.slots = owners(layout, owner, slots)
        self.init = init
        self._pieces = [] if layout is None else pieces(layout, init(layout), self.owner or ())
        self.matrices = empty_map(hidden, math.prod(tile), device=device, dtype=dtype)
        self.vectors = empty_map(hidden, tile[0], device=device, dtype=dtype)
        self.gains = KindGains(device=device, dtype=dtype)
        initial.fill_unit_(self.matrices)
        initial.fill_unit_(self.vectors)

    def forward(self, features: Float[Tensor, "*rows hidden"]) -> Weights:
        check_rows(self, features, self.slots)
        return self._generate(features, self._pieces)

    def decode(self, features: Float[Tensor, "*rows hidden"], architecture: Architecture) -> Weights:
        """Weights of an architecture that comes with the call; one row of features for each of its nodes.

        Raises:
            ConfigError: for features of another number of rows.
        """
        check_rows(self, features, len(architecture.nodes))
        layout = architecture.layout
        return self._generate(features, pieces(layout, self.init(layout), architecture.owner))

    def _generate(self, features: Tensor, wanted: list[Piece]) -> Weights:
        features = initial.unit_rms(features)
        # Tensors that take the same part of the tile go together: one product for each part.
        alike: dict[tuple[int, ...], list[Piece]] = {}
        for piece in wanted:
            alike.setdefault(_part(_sides(piece.spec.shape, self.tile), self.tile), []).append(piece)
        raw: Weights = {}
        for part, members in alike.items():
            rows = [self._rows(features, piece, part) for piece in members]
            numbers = F.linear(torch.cat(rows, dim=-2), *self._map(part))
            for piece, tiles in zip(members, torch.split(numbers, [r.shape[-2] for r in rows], dim=-2), strict=True):
                laid = _lay_out(tiles, _sides(piece.spec.shape, self.tile), part)
                raw[piece.spec.name] = self.gains(laid.reshape(features.shape[:-2] + piece.spec.shape), piece)
        return {piece.spec.name: raw[piece.spec.name] for piece in wanted}

    def _rows(self, features: Tensor, piece: Piece, part: tuple[int, ...]) -> Tensor:
        """The node's row once for each tile that the tensor needs: none for a tensor without numbers."""
        rows = features.narrow(-2, piece.row, 1)
        if piece.turn:
            rows = rows * fixed_signs(0, piece.turn + 1, like=rows)[-1]
        for axis, count in enumerate(_repeats(_sides(piece.spec.shape, self.tile), part), start=1):
            if count > 1:
                rows = (rows.unsqueeze(-2) * fixed_signs(axis, count, like=rows)).flatten(-3, -2)
        return rows if math.prod(piece.spec.shape) else rows.narrow(-2, 0, 0)

    def _map(self, part: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The rows of the map that make a part of the tile: the first outputs and inputs, the middle of the kernel."""
        linear = self.matrices if len(part) > 1 else self.vectors
        tile = self.tile[: len(part)]
        weight, bias = linear.weight.reshape(*tile, self.hidden), linear.bias.reshape(tile)
        for axis, (size, used) in enumerate(zip(tile, part, strict=True)):
            start = (size - used) // 2 if axis > 1 else 0
            weight, bias = weight.narrow(axis, start, used), bias.narrow(axis, start, used)
        return weight.flatten(0, -2), bias.flatten()


def _sides(shape: tuple[int, ...], tile: tuple[int, ...]) -> tuple[int, ...]:
    """A tensor's shape as that of the tile; a vector has a single side. Surplus sides of a kernel count as one."""
    if len(shape) < 2:
        return (math.prod(shape),)
    missing = len(tile) - len(shape)
    if missing >= 0:
        return (*shape[:2], *(1,) * missing, *shape[2:])
    if len(tile) == 2:
        return (shape[0], math.prod(shape[1:]))
    return (*shape[:2], math.prod(shape[2 : 3 - missing]), *shape[3 - missing :])


def _part(sides: tuple[int, ...], tile: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(side, size) for side, size in zip(sides, tile, strict=False))


def _repeats(sides: tuple[int, ...], part: tuple[int, ...]) -> list[int]:
    return [-(-side // max(size, 1)) for side, size in zip(sides, part, strict=True)]


def _lay_out(tiles: Tensor, sides: tuple[int, ...], part: tuple[int, ...]) -> Tensor:
    """Tiles ``(*contexts, repeats, part)`` side by side, cut where they stand over."""
    contexts, repeats = tiles.shape[:-2], _repeats(sides, part)
    first, n = len(contexts), len(part)
    apart = tiles.reshape(*contexts, *repeats, *part)
    order = [axis for i in range(n) for axis in (first + i, first + n + i)]
    laid = apart.permute(*range(first), *order)
    laid = laid.reshape(*contexts, *(count * size for count, size in zip(repeats, part, strict=True)))
    for axis, side in enumerate(sides):
        laid = laid.narrow(first + axis, 0, side)
    return laid
