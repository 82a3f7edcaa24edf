"""How a layout is divided among slots."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

from hyperdnn.errors import LayoutError
from hyperdnn.layout._layout import ParamLayout
from hyperdnn.layout._spec import ParamSpec

__all__ = ["Run", "SlotGroup", "SlotPlan"]


@final
@dataclass(frozen=True)
class Run:
    """Consecutive slots that together make whole tensors: slot i makes row i of each of them.

    Args:
        names: tensors, in the order in which their numbers lie in a slot.
        widths: numbers of each tensor in one slot.
        slots: rows of the tensors, hence slots of the run.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    slots: int


@final
@dataclass(frozen=True)
class SlotGroup:
    """Consecutive slots of equal size: one output map serves them all.

    Args:
        size: numbers that each slot generates.
        slots: how many.
        runs: how the slots become tensors; empty for chunks, which are cut from the flat vector.
    """

    size: int
    slots: int
    runs: tuple[Run, ...] = ()


@final
@dataclass(frozen=True)
class SlotPlan:
    """Which slot generates which numbers. Every number of the layout is generated once.

    Args:
        layout: what is generated.
        groups: slots of equal size, in slot order.
    """

    layout: ParamLayout
    groups: tuple[SlotGroup, ...]

    @classmethod
    def by_chunk(cls, layout: ParamLayout, size: int) -> "SlotPlan":
        """Chunks of ``size`` consecutive numbers of the flat vector; the last one is used only in part (see `unused`).

        Raises:
            LayoutError: if the size is not between 1 and the number of weights.
        """
        if not 1 <= size <= layout.numel:
            raise LayoutError(f"chunk size {size}: expected between 1 and the {layout.numel} generated weights.")
        return cls(layout, (SlotGroup(size, -(-layout.numel // size)),))

    @classmethod
    def by_layer(cls, layout: ParamLayout) -> "SlotPlan":
        """One slot for each layer, its weight and bias together; layers of equal shapes form one group."""
        runs = [Run(_names(specs), tuple(s.numel for s in specs), 1) for specs in _layers(layout)]
        shapes = [tuple(spec.shape for spec in specs) for specs in _layers(layout)]
        return cls(layout, _grouped(zip(shapes, runs, strict=True)))

    @classmethod
    def by_row(cls, layout: ParamLayout) -> "SlotPlan":
        """One slot for each output unit (row, filter) with its bias; layers without a matrix are one slot.

        Units with equally many inputs form one group.
        """
        runs = []
        for specs in _layers(layout):
            if all(len(spec.shape) < 2 for spec in specs):
                runs.append(Run(_names(specs), tuple(spec.numel for spec in specs), 1))
                continue
            by_rows: dict[int, list[ParamSpec]] = {}
            for spec in specs:
                by_rows.setdefault(spec.shape[0] if spec.shape else 1, []).append(spec)
            for rows, tensors in by_rows.items():
                whole = all(len(spec.shape) < 2 for spec in tensors)
                slots = 1 if whole else rows
                runs.append(Run(_names(tensors), tuple(spec.numel // max(slots, 1) for spec in tensors), slots))
        return cls(layout, _grouped((run.widths, run) for run in runs))

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return sum(group.slots for group in self.groups)

    @property
    def unused(self) -> int:
        """Numbers at the end of the last slot that belong to no tensor."""
        return sum(group.size * group.slots for group in self.groups) - self.layout.numel

    def pieces(self, slot: int) -> dict[str, slice]:
        """What one slot generates: tensor name -> slice of the flattened tensor.

        Raises:
            LayoutError: if there is no such slot.
        """
        if not 0 <= slot < self.slots:
            raise LayoutError(f"slot {slot}: expected 0 to {self.slots - 1}.")
        for group in self.groups:
            if slot < group.slots:
                break
            slot -= group.slots
        for run in group.runs:
            if slot < run.slots:
                return {n: slice(slot * w, (slot + 1) * w) for n, w in zip(run.names, run.widths, strict=True)}
            slot -= run.slots
        return dict(self._overlaps(slot * group.size, (slot + 1) * group.size))

    def _overlaps(self, start: int, stop: int) -> Iterator[tuple[str, slice]]:
        for spec, offset in zip(self.layout, self.layout.offsets, strict=True):
            first, last = max(start - offset, 0), min(stop - offset, spec.numel)
            if first < last:
                yield spec.name, slice(first, last)


def _layers(layout: ParamLayout) -> list[list[ParamSpec]]:
    layers: dict[str, list[ParamSpec]] = {}
    for spec in layout:
        layers.setdefault(spec.name.rpartition(".")[0], []).append(spec)
    return list(layers.values())


def _names(specs: list[ParamSpec]) -> tuple[str, ...]:
    return tuple(spec.name for spec in specs)


def _grouped(keyed: Iterable[tuple[object, Run]]) -> tuple[SlotGroup, ...]:
    groups: dict[object, list[Run]] = {}
    for key, run in keyed:
        groups.setdefault(key, []).append(run)
    return tuple(
        SlotGroup(sum(runs[0].widths), sum(run.slots for run in runs), tuple(runs)) for runs in groups.values()
    )
