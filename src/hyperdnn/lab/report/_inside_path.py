"""The figures of a way between two contexts."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hyperdnn.inspect import ContextPath
from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._short import left_out, short, strongest
from hyperdnn.lab.report._svg import INK, Figure, canvas, svg

__all__ = ["path_figures"]

_MOST = 6
"""Lines that can be told apart."""

_MARKS = "osD^vX"


def path_figures(found: ContextPath) -> list[Figure]:
    """Losses on the way between two contexts, one figure for each kind of loss; without any, how outputs change.

    Solid lines are networks that are generated on the way, dashed ones those of mixed weights.

    Args:
        found: what `inspect.path` measured, on one probe or more.
    """
    measures = list(dict.fromkeys(filter(None, found.measures)))
    figures = [
        _figure(found, [k for k, one in enumerate(found.measures) if one == measure], measure) for measure in measures
    ]
    if not measures and found.probes:
        figures.append(_figure(found, range(len(found.probes)), ""))
    return figures


def _figure(found: ContextPath, probes: Sequence[int], measure: str) -> Figure:
    solid, dashed = (found.losses, found.mixed_losses) if measure else (found.changes, found.mixed_changes)
    span = solid.amax(1) - solid.amin(1)
    shown = [probes[k] for k in strongest(span[list(probes)], _MOST)]
    first, second = found.names
    mixed = "weights mixed"
    with canvas() as (figure, axes):
        for k, probe in enumerate(shown):
            style: dict[str, Any] = {
                "color": colour(k),
                "marker": _MARKS[k],
                "markevery": max(len(found.places) // 10, 1),
                "markersize": 4,
            }
            axes.plot(_list(found.places), _list(solid[probe]), label=short(found.probes[probe]), **style)
            axes.plot(_list(found.places), _list(dashed[probe]), linestyle="--", linewidth=1, color=colour(k))
        if bool(solid[shown].isfinite().any()):
            axes.plot([], [], linestyle="--", linewidth=1, color=INK, label=mixed)
            name_colours(figure, [*(short(found.probes[probe]) for probe in shown), mixed])
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [short(first), "25 %", "50 %", "75 %", short(second)])
        else:
            say_empty(axes)
        axes.set_xlabel("share of the way between two contexts")
        axes.set_ylabel(measure or f"change of outputs since {short(first)}")
        image = svg(figure)
    what = measure.partition(" (")[0] if measure else "outputs"
    return Figure(
        title=f"From {first} to {second}: {what}",
        caption="Solid: networks generated on the way from one context to the other. Dashed: networks whose weights "
        f"are mixed from those at the two ends. {found.findings()[0]}{left_out(len(probes), len(shown), 'probes')}",
        alt=f"{what} of networks between {first} and {second}. {' '.join(found.findings())}",
        image=image,
    )


def _list(row: Tensor) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in row.tolist()]
