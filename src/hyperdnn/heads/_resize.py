"""What heads share when their target gets more output rows."""

from collections.abc import Sequence

from torch import nn

from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout import ParamLayout, SlotGroup, SlotPlan
from hyperdnn.nn import Extension, Grown, extend_rows_, longer_runs

__all__ = ["check_longer", "extend_map_", "longer_plan"]


def check_longer(old: ParamLayout, new: ParamLayout, maps: nn.Module | None = None) -> None:
    """Verify that a layout has the same tensors, none with fewer rows or of another form.

    Args:
        old: what is generated.
        new: what shall be.
        maps: output maps that may have to grow.

    Raises:
        LayoutError: naming the first tensor that has.
        ConfigError: if a map was reparametrised, before any of them has grown.
    """
    if old.names != new.names:
        raise LayoutError(f"growing keeps the tensors, but {old.difference(new)}.")
    for before, after in zip(old, new, strict=True):
        rows, longer = before.shape[:1], after.shape[:1]
        if longer < rows or before.shape[1:] != after.shape[1:] or len(rows) != len(longer):
            raise LayoutError(f"'{before.name}': expected {before.shape} with more rows, got {after.shape}.")
    if maps is not None and any(hasattr(module, "parametrizations") for module in maps.modules()):
        raise ConfigError(
            "an output map of the head is reparametrised (weight norm?) and cannot get more rows. Build a larger head, "
            "or remove the parametrisation first."
        )


def extend_map_(linear: nn.Linear, before: Sequence[int], after: Sequence[int]) -> list[Grown]:
    """Make an output map generate longer tensors, given the numbers of each tensor; nothing to do is no change."""
    extensions = longer_runs(before, after)
    if not extensions:
        return []
    grown = extend_rows_(linear, extensions)
    linear.out_features = sum(after)
    return grown


def longer_plan(old: SlotPlan, new: SlotPlan) -> tuple[Extension, ...]:
    """Slots that a plan has more than another one, where each tensor keeps its place among them.

    A map may get more outputs if it serves a single slot: those of a whole layer or vector.

    Raises:
        ConfigError: if a tensor would have to leave the map that it shares, or to join another.
    """
    form = [[run.names for run in group.runs] for group in old.groups]
    if form != [[run.names for run in group.runs] for group in new.groups] or not all(
        map(_fits, old.groups, new.groups)
    ):
        raise ConfigError(
            "ComponentHead cannot grow to this size: tensors of equal shape share a map, and one of them would leave "
            "its map or join another. Use component='row', another number of rows, FullHead, MultiHead or FactoredHead."
        )
    before, after = ([run.slots for group in plan.groups for run in group.runs] for plan in (old, new))
    return longer_runs(before, after)


def _fits(old: SlotGroup, new: SlotGroup) -> bool:
    return all(a.widths == b.widths for a, b in zip(old.runs, new.runs, strict=True)) or old.slots == new.slots == 1
