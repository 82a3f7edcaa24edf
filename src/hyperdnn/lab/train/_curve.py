"""A loss over the course of a training, for a figure."""

from typing import Any

from torch import Tensor

from hyperdnn.lab.train._parts import Step
from hyperdnn.lab.train._state import State

__all__ = ["curve_of", "recording"]

_KEY = "curve"


def recording(step: Step, name: str, *, every: int) -> Step:
    """The same step, which also keeps one of its losses in the state's record, averaged over so many batches.

    Args:
        step: the recipe's losses.
        name: which of them.
        every: batches in one mean.
    """

    def recorded(model: Any, batch: Any, state: State) -> dict[str, Tensor]:
        losses = step(model, batch, state)
        kept = state.record.setdefault(_KEY, {"sum": 0.0, "batches": 0, "means": []})
        kept["sum"] += losses[name].item()
        kept["batches"] += 1
        if kept["batches"] == every:
            kept["means"].append(kept["sum"] / every)
            kept["sum"], kept["batches"] = 0.0, 0
        return losses

    return recorded


def curve_of(state: State) -> list[float]:
    """The means so far; batches after the last of them are left out."""
    kept = state.record.get(_KEY)
    return list(kept["means"]) if kept else []
