"""One output map for each shape."""

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.heads._by_node import KindGains, Piece, check_rows, fixed_signs, owners, pieces
from hyperdnn.heads._map import empty_map
from hyperdnn.layout import Architecture, ParamLayout
from hyperdnn.typing import Weights

__all__ = ["NodeHead"]


@final
class NodeHead(nn.Module):
    """Generates each tensor from the row of its node, with one map for each shape that occurs.

    For spaces of architectures that are put together from few shapes, such as stacks of equal cells; `TiledHead`
    takes any shape. Costs ``hidden`` parameters for each number of each shape, however often the shape occurs.

    Args:
        hidden: width of the features coming from the body.
        layout: what `forward` generates; leave it out where architectures come with the calls of `decode`.
        shapes: what can be generated, by default the layout's: ``NodeHead.shapes_of(layouts)``.
        owner: of each tensor of the layout the row that it is made from: ``architecture.owner``. By default a row for
            each layer.
        slots: how many rows there are, where some make nothing: ``len(architecture.nodes)``.
        init: how generated weights start.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, slots, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: without any shape, or for rows that do not fit.
        LayoutError: for a tensor whose shape is not among them.

    Source:
        Zhang, Ren & Urtasun, "Graph HyperNetworks for Neural Architecture Search", ICLR 2019, section 3.
    """

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout | None = None,
        *,
        shapes: Iterable[Sequence[int]] | None = None,
        owner: Sequence[int] | None = None,
        slots: int | None = None,
        init: initial.Init = initial.matched,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.layout = layout
        self.owner, self.slots = owners(layout, owner, slots)
        if shapes is None:
            shapes = self.shapes_of([] if layout is None else [layout])
        self.shapes = tuple(dict.fromkeys(tuple(shape) for shape in shapes))
        if not self.shapes:
            raise ConfigError("NodeHead has nothing to generate: pass a layout, or shapes=NodeHead.shapes_of(layouts).")
        self.init = init
        self._pieces = [] if layout is None else pieces(layout, init(layout), self.owner or ())
        for piece in self._pieces:
            self._index(piece)
        sizes = [math.prod(shape) for shape in self.shapes]
        self.linears = nn.ModuleList(empty_map(hidden, size, device=device, dtype=dtype) for size in sizes)
        for linear in self.linears:
            assert isinstance(linear, nn.Linear)
            initial.fill_unit_(linear)
        self.gains = KindGains(device=device, dtype=dtype)

    @staticmethod
    def shapes_of(layouts: Iterable[ParamLayout]) -> tuple[tuple[int, ...], ...]:
        """All shapes that occur, in a fixed order."""
        return tuple(sorted({spec.shape for layout in layouts for spec in layout}))

    def forward(self, features: Float[Tensor, "*rows hidden"]) -> Weights:
        check_rows(self, features, self.slots)
        return self._generate(features, self._pieces)

    def decode(self, features: Float[Tensor, "*rows hidden"], architecture: Architecture) -> Weights:
        """Weights of an architecture that comes with the call; one row of features for each of its nodes.

        Raises:
            ConfigError: for features of another number of rows.
            LayoutError: for a tensor whose shape has no map.
        """
        check_rows(self, features, len(architecture.nodes))
        layout = architecture.layout
        return self._generate(features, pieces(layout, self.init(layout), architecture.owner))

    def _generate(self, features: Tensor, wanted: list[Piece]) -> Weights:
        features = initial.unit_rms(features)
        alike: dict[int, list[Piece]] = {}
        for piece in wanted:
            alike.setdefault(self._index(piece), []).append(piece)
        raw: Weights = {}
        for index, members in alike.items():
            rows = [_row(features, piece) for piece in members]
            numbers = self.linears[index](torch.stack(rows, dim=-2)).unbind(-2)
            for piece, flat in zip(members, numbers, strict=True):
                raw[piece.spec.name] = self.gains(flat.reshape(flat.shape[:-1] + piece.spec.shape), piece)
        return {piece.spec.name: raw[piece.spec.name] for piece in wanted}

    def _index(self, piece: Piece) -> int:
        shape = piece.spec.shape
        if shape not in self.shapes:
            near = get_close_matches(str(shape), map(str, self.shapes), n=3, cutoff=0.0)
            raise LayoutError(
                f"'{piece.spec.name}' has the shape {shape}, which this NodeHead has no map for (the nearest: "
                f"{', '.join(near)}). Pass it in shapes=, or use TiledHead, which takes any shape."
            )
        return self.shapes.index(shape)


def _row(features: Tensor, piece: Piece) -> Tensor:
    """Equal shapes of one node, such as a norm's gain and bias, share a map but not their numbers."""
    row = features[..., piece.row, :]
    return row * fixed_signs(0, piece.turn + 1, like=row)[-1] if piece.turn else row
