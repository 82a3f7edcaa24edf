"""Several heads on one target."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError, LayoutError, nearest
from hyperdnn.heads._resize import check_longer
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import Extension, Grown, growing
from hyperdnn.typing import Weights

__all__ = ["Join"]


@final
class Join(nn.Module):
    """Generates each part of a target with a head of its own.

    Example: ``Join(layout, [FullHead(64, layout.select("norm.*")), ChunkedHead(64, layout.select("conv.*"), 512)])``.

    If no head takes slots, all read the same features. If any does, each head gets a run of slots to itself, in the
    order given, and a head without slots a single one. A rule that looks at a whole layer (`init.hyperfan_in`) sees
    only its own head's tensors: keep a layer's weight and bias in one part.

    A saved model only names it, as it does a part of the user's own: pass ``from_pretrained(..., head=...)``.

    Args:
        layout: what to generate.
        heads: each generates a part of it (``layout.select(...)``); together they generate each tensor once.

    Shape:
        features ``(*contexts, hidden)``, or ``(*contexts, slots, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        LayoutError: if a tensor has no head or two, is not in the layout, or has another shape there.
        ConfigError: if a head declares no layout, or the heads read features of different widths.
    """

    def __init__(self, layout: ParamLayout, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        _check_parts(layout, heads)
        self.hidden = _common_width(heads)
        self.layout = layout
        self.heads = nn.ModuleList(heads)
        self._count_slots()

    def start_at_(self, flat: Float[Tensor, " numel"]) -> None:
        """Generate these weights for every context, if all heads can (see `init.from_target_`)."""
        values = self.layout.split(flat)
        for head in self.heads:
            part = head.layout
            assert isinstance(part, ParamLayout)
            initial.from_target_(head, {name: values[name] for name in part.names})

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """Slots that a layout with more rows adds; heads whose part stays the same need not be able to grow."""
        check_longer(self.layout, layout)
        parts = self._changed(layout)
        found: list[Extension] = []
        start = 0
        for head, run in zip(self.heads, self._runs, strict=True):
            if head in parts:
                more = growing(head).new_slots(parts[head])
                found += [Extension(start + first, start + stop, added) for first, stop, added in more]
            start += _rows(run)
        return tuple(found)

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows (see `HyperDNN.resize`)."""
        self.new_slots(layout)  # all heads can, or none changes
        grown = [one for head, new in self._changed(layout).items() for one in growing(head).resize(new)]
        self.layout = layout
        self._count_slots()
        return grown

    def forward(self, features: Float[Tensor, "*rows hidden"]) -> Weights:
        weights: Weights = {}
        for head, rows in zip(self.heads, self._divided(features), strict=True):
            weights.update(head(rows))
        return {name: weights[name] for name in self.layout.names}

    def _count_slots(self) -> None:
        self._runs: tuple[int | None, ...] = tuple(getattr(head, "slots", None) for head in self.heads)
        self.slots = None if set(self._runs) == {None} else sum(_rows(run) for run in self._runs)

    def _changed(self, layout: ParamLayout) -> dict[nn.Module, ParamLayout]:
        """The heads whose part differs, with their new part."""
        found: dict[nn.Module, ParamLayout] = {}
        for head in self.heads:
            old = head.layout
            assert isinstance(old, ParamLayout)  # the constructor has looked
            new = ParamLayout(tuple(layout[name] for name in old.names))
            if old.difference(new) is not None:
                found[head] = new
        return found

    def _divided(self, features: Tensor) -> list[Tensor]:
        if self.slots is None:
            return [features] * len(self._runs)
        rows = torch.split(features, [_rows(run) for run in self._runs], dim=-2)
        return [row.squeeze(-2) if run is None else row for run, row in zip(self._runs, rows, strict=True)]


def _rows(slots: int | None) -> int:
    return 1 if slots is None else slots


def _check_parts(layout: ParamLayout, heads: Sequence[nn.Module]) -> None:
    owners: dict[str, str] = {}
    for head in heads:
        kind, part = type(head).__name__, getattr(head, "layout", None)
        if not isinstance(part, ParamLayout):
            raise ConfigError(f"head {kind} declares no layout: it must say which part it generates.")
        for spec in part:
            if spec.name not in layout:
                raise LayoutError(
                    f"'{spec.name}' of {kind} is not in the joined layout.{nearest(spec.name, layout.names)}"
                )
            if spec.shape != layout[spec.name].shape:
                raise LayoutError(
                    f"'{spec.name}': expected {layout[spec.name].shape}, but {kind} generates {spec.shape}."
                )
            if spec.name in owners:
                raise LayoutError(
                    f"'{spec.name}' is generated twice, by {owners[spec.name]} and {kind}: parts must not overlap."
                )
            owners[spec.name] = kind
    missing = [name for name in layout.names if name not in owners]
    if missing:
        raise LayoutError(f"'{missing[0]}' is generated by no head: add one over layout.select('{missing[0]}').")


def _common_width(heads: Sequence[nn.Module]) -> int | None:
    """The width that heads declare; None if none of them does."""
    declared = [(type(head).__name__, getattr(head, "hidden", None)) for head in heads]
    widths = {width: kind for kind, width in declared if isinstance(width, int)}
    if len(widths) > 1:
        found = " and ".join(f"{kind} takes {width}" for width, kind in widths.items())
        raise ConfigError(f"joined heads read the same body's output, but {found} hidden: give them one width.")
    return next(iter(widths), None)
