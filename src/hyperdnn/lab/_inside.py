"""Everything that is measured of what a trained model generates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

import torch
from torch import Tensor

from hyperdnn import inspect
from hyperdnn.errors import HyperDNNError, MissingExtraError
from hyperdnn.inspect._statistics import comparable, weights_of
from hyperdnn.lab._view import View

__all__ = ["Inside", "inside"]

_T = TypeVar("_T")

_CONTEXTS = 64
"""That are looked at, evenly chosen where there are more: all pairs of them are compared."""

_MOVED = 8
"""Contexts at which derivatives are taken, and their mean is shown."""

_PROBES = 4
"""Probes on which networks on the way between contexts, or with one layer changed, are run."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """What `inside` measured; None where it could not be, and a note says why.

    Args:
        view: what was looked at.
        contexts: how many of its contexts were looked at.
        statistics: of generated weights.
        weight_map: where they lie.
        context_map: where the contexts' coordinates lie.
        distances: of networks, by their weights and by what they do.
        sensitivity: what each coordinate does.
        path: between the two contexts whose weights are farthest apart.
        swap: of these two contexts' layers.
        notes: what is missing, and why.
    """

    view: View
    contexts: int
    statistics: inspect.Statistics
    weight_map: inspect.Map | None
    context_map: inspect.Map | None
    distances: inspect.NetworkDistances | None
    sensitivity: inspect.Sensitivity | None
    path: inspect.ContextPath | None
    swap: inspect.Swap | None
    notes: tuple[str, ...]

    @property
    def troubles(self) -> tuple[str, ...]:
        """What should not be, in words."""
        return self.statistics.troubles()

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """What the numbers show, in words: of the weights, of the networks, of the context."""
        weights = self.statistics.findings()[len(self.troubles) :]
        networks = [self.distances, self.swap]
        context = [self.sensitivity, self.path]
        spoken = (weights, _said(networks), _said(context))
        return tuple(" ".join(sentences) for sentences in spoken if sentences)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        parts = {
            name: None if part is None else part.to_json()
            for name, part in (
                ("statistics", self.statistics),
                ("distances", self.distances),
                ("sensitivity", self.sensitivity),
                ("path", self.path),
                ("swap", self.swap),
            )
        }
        maps = {
            name: None if found is None else found.points.tolist()
            for name, found in (("weight_map", self.weight_map), ("context_map", self.context_map))
        }
        return {"contexts": self.contexts, "troubles": list(self.troubles), **parts, **maps, "notes": list(self.notes)}


def inside(view: View, *, draw: Callable[[Tensor], inspect.Map] = inspect.flat_map) -> Inside:
    """Look at all that a model generates for a view's contexts.

    Takes seconds. What a model cannot be asked is left out, with a note that says why: networks cannot be run without
    probes, and contexts without coordinates have no places between them.

    Args:
        view: what to look at.
        draw: makes the maps: `inspect.flat_map` or `inspect.neighbour_map`.

    Raises:
        HyperDNNError: if not even weights can be generated.
    """
    model = view.model
    chosen = _evenly(len(view.names), _CONTEXTS)
    names, contexts = [view.names[k] for k in chosen], view.rows(chosen)
    statistics = inspect.statistics(model, contexts, names=names)
    notes = _Notes()
    if len(chosen) < len(view.names):
        notes.found.append(f"{len(chosen)} of {len(view.names)} contexts were looked at, evenly chosen.")
    where = notes.of("The map of contexts", lambda: inspect.coordinates(model, contexts))
    context_map = where and notes.of("The map of contexts", lambda: draw(where.rows.reshape(len(chosen), -1)))
    weight_map = notes.of("The map of weights", lambda: draw(_generated(model, contexts)))
    first, second = _farthest(statistics.whole.distances)
    pair = (names[first], names[second])
    ends = view.rows(chosen[first]), view.rows(chosen[second])
    probes = [p for p in view.probes if p.context is None or p.context in (chosen[first], chosen[second])][:_PROBES]
    probes = probes or list(view.probes[:_PROBES])
    distances = sensitivity = path = swap = None
    several, silent = len(names) > 1, _why_not_run(view)
    if silent:
        probes = []
        notes.found.append(f"What the networks do is left out: {silent}")
    elif several:
        distances = notes.of(
            "The comparison of outputs",
            lambda: inspect.network_distances(
                model, view.probes, contexts, names=names, classes=view.shows == "classes"
            ),
        )
        swap = notes.of("The swap of layers", lambda: inspect.swap(model, *ends, probes, names=pair))
    if where is not None:
        spread = view.rows(_evenly(len(view.names), _MOVED))
        coordinates = tuple(view.coordinates) if where.own else ()
        sensitivity = notes.of(
            "The effect of each coordinate",
            lambda: inspect.sensitivity(model, spread, probes[:1], names=coordinates),
        )
        if several:
            path = notes.of("The way between two contexts", lambda: inspect.path(model, *ends, probes, names=pair))
    return Inside(
        view=view,
        contexts=len(chosen),
        statistics=statistics,
        weight_map=weight_map,
        context_map=context_map,
        distances=distances,
        sensitivity=sensitivity,
        path=path,
        swap=swap,
        notes=tuple(notes.found),
    )


def _why_not_run(view: View) -> str | None:
    """Why networks cannot be run, in words; None if they can."""
    target = view.model.target
    if not view.probes:
        return "the recipe gives no data to run them on (view=)."
    if target.buffers_policy == "per_context" and target.initial_buffers(0):
        return "each one has running statistics of its own, which are no part of the model."
    return None


@final
class _Notes:
    """What could not be measured, and why."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def of(self, what: str, measure: Callable[[], _T]) -> _T | None:
        try:
            return measure()
        except MissingExtraError:
            raise
        except HyperDNNError as error:
            self.found.append(f"{what} is left out: {error}")
            return None


def _generated(model: Any, contexts: Any) -> Tensor:
    weights = comparable(model, weights_of(model, contexts, asker="inspect"))
    return torch.cat([tensor.flatten(1) for tensor in weights.values()], dim=1)


def _said(parts: Sequence[Any]) -> tuple[str, ...]:
    return tuple(sentence for part in parts if part is not None for sentence in part.findings())


def _evenly(number: int, most: int) -> list[int]:
    """So many of them at most, from the first to the last."""
    if number <= most:
        return list(range(number))
    return [round(k * (number - 1) / (most - 1)) for k in range(most)]


def _farthest(distances: Tensor) -> tuple[int, int]:
    place = int(distances.nan_to_num(nan=0.0).argmax())
    first, second = divmod(place, len(distances))
    if first == second:  # all are the same
        return 0, min(1, len(distances) - 1)
    return min(first, second), max(first, second)
