"""Which channels of a tensor are kept, and where they lie."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, final

from hyperdnn.errors import LayoutError

__all__ = ["Channels", "Keep", "agree", "flattened", "joined", "kept"]

Keep: TypeAlias = tuple[int, ...] | None
"""Positions that are kept along one dimension; None for all."""


def kept(positions: tuple[int, ...], total: int) -> Keep:
    """The positions, or None if they are all that there are."""
    return None if len(positions) == total else positions


@final
@dataclass(frozen=True)
class Channels:
    """What is known of a tensor between two layers.

    Args:
        total: channels in the wide network, if known.
        keep: those that stay in the narrow one.
        dim: where the channels lie, counted from the right.
        rank: dimensions of the tensor, if known.
        spread: after flattening: ``"inner"`` if all positions of a channel follow each other, ``"outer"`` if all
            channels of a position do.
        source: the layer that made them.
    """

    total: int | None = None
    keep: Keep = None
    dim: int = -1
    rank: int | None = None
    spread: Literal["inner", "outer"] | None = None
    source: str = "input"

    def features(self, total: int) -> Keep:
        """What is kept of ``total`` features, if flattening has made several of each channel."""
        if self.keep is None:
            return None
        assert self.total  # of a tensor that is cut
        times = total // self.total
        if self.spread == "outer":
            return tuple(position * self.total + c for position in range(times) for c in self.keep)
        return tuple(c * times + position for c in self.keep for position in range(times))

    def makes(self, total: int) -> bool:
        """Whether these channels can be ``total`` features."""
        times, rest = divmod(total, self.total or 1)
        return rest == 0 and (times == 1 or self.spread is not None)

    def axis(self, dim: int) -> int | None:
        """A dimension of the tensor counted from the right, or None if that cannot be said."""
        if dim < 0:
            return dim
        return None if self.rank is None else dim - self.rank

    def __str__(self) -> str:
        count = self.total if self.keep is None else len(self.keep)
        return f"{'all' if count is None else count} channels of '{self.source}'"


def agree(name: str, x: Channels, y: Channels) -> Channels:
    """The channels of a sum, product or the like.

    Args:
        name: the operation.
        x: one side.
        y: the other; one channel is broadcast to all.

    Raises:
        LayoutError: if different channels are kept.
    """
    if x.keep is None and y.keep is None:
        known = [one for one in (x, y) if one.total not in (None, 1)] or [x]
        one, other = known[0], known[-1]
        return one if (one.total, one.dim, one.rank) == (other.total, other.dim, other.rank) else Channels(source=name)
    for one, other in ((x, y), (y, x)):
        if one.total == 1 and one.dim == other.dim:
            return other
    if (x.total, x.keep, x.dim, x.spread) != (y.total, y.keep, y.dim, y.spread):
        raise LayoutError(
            f"'{name}' meets {x} and {y}: give both layers the same width, or leave "
            f"'{(y if x.keep is None else x).source}' as wide as it is."
        )
    return x


def joined(name: str, pieces: list[Channels]) -> Channels:
    """The channels of a concatenation along the channels.

    Args:
        name: the operation.
        pieces: in order.

    Raises:
        LayoutError: if one of them is cut and it cannot be said where it lies.
    """
    first = next((piece for piece in pieces if piece.keep is not None), pieces[0])
    totals = [piece.total for piece in pieces if piece.total is not None and piece.spread is None]
    if len(totals) < len(pieces):
        if first.keep is None:
            return replace(first, total=None)
        unknown = next(piece for piece in pieces if piece.total is None or piece.spread is not None)
        raise LayoutError(
            f"'{name}' joins {first} with what '{unknown.source}' gives, of which the number of channels is unknown: "
            f"leave '{first.source}' as wide as it is."
        )
    keep: list[int] = []
    start = 0
    for piece, total in zip(pieces, totals, strict=True):
        keep += [start + c for c in (range(total) if piece.keep is None else piece.keep)]
        start += total
    source = " + ".join(dict.fromkeys(piece.source for piece in pieces))
    return replace(first, total=start, keep=kept(tuple(keep), start), source=source)


def flattened(name: str, x: Channels, start: int, end: int) -> Channels:
    """The channels of a tensor of which the dimensions from ``start`` to ``end`` become one.

    Args:
        name: the operation.
        x: the tensor.
        start: the first dimension.
        end: the last one.

    Raises:
        LayoutError: if the channels are mixed with dimensions on both sides.
    """
    if x.rank is None:
        if x.dim == -1 and x.spread is None and (start, end) == (1, -1):
            return replace(x, rank=2, spread="outer")  # the same if it had two dimensions before
        if x.keep is None:
            return Channels(source=x.source)
        raise LayoutError(f"'{name}' flattens {x}, but how many dimensions there are is unknown. Write flatten(1).")
    first, last, place = start % x.rank, end % x.rank, x.rank + x.dim
    rank = x.rank - (last - first)
    if first == last:
        return x
    if place < first or place > last:
        return replace(x, rank=rank, dim=x.dim if place > last else place - rank)
    if place not in (first, last) or x.spread is not None:
        if x.keep is None:
            return Channels(source=x.source, rank=rank)
        raise LayoutError(f"'{name}' mixes {x} with dimensions on both sides of them: flatten these apart.")
    return replace(x, rank=rank, dim=first - rank, spread="inner" if place == first else "outer")
