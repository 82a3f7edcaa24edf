"""The figures of generated weights: how large they are, how contexts differ, and where they lie."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hyperdnn.inspect import Map, NetworkDistances, Statistics
from hyperdnn.lab.report._figures import colour, say_empty
from hyperdnn.lab.report._short import left_out, short, strongest
from hyperdnn.lab.report._svg import INK, Figure, canvas, logarithmic, svg

__all__ = ["agreement_figure", "distance_figure", "map_figure", "size_figure"]

_TENSORS = 24
_ROW = 0.2
"""Height of a tensor in inches."""

_NAMED = 16
"""Contexts of a matrix that have room for their names."""

_ANNOTATED = 8
"""Contexts of a matrix whose cells have room for a number."""


def size_figure(found: Statistics) -> Figure:
    """How large each tensor's numbers are, and how they differ between contexts and within one.

    Args:
        found: what `inspect.statistics` measured.
    """
    shown = strongest(torch.tensor([float(t.numbers) for t in found.tensors]), _TENSORS)
    tensors = [found.tensors[k] for k in shown]
    series = {
        "size": ("o", [float(t.sizes.square().mean().sqrt()) for t in tensors]),
        "between contexts": ("^", [t.between for t in tensors]),
        "within a context": ("s", [t.within if t.numbers > 1 else math.nan for t in tensors]),
    }
    numbers = [value for _, values in series.values() for value in values]
    positive = [value for value in numbers if 0 < value < math.inf]
    with canvas() as (figure, axes):
        figure.set_size_inches(4.8, max(3.4, 1.2 + _ROW * len(tensors)))
        if positive:
            low, high = min(positive) / 2, max(positive) * 2
            low = max(low, high * 1e-9)  # below lies rounding
            for row, tensor in enumerate(tensors):
                ends = (float(tensor.sizes.min()), float(tensor.sizes.max()))
                axes.plot([max(end, low) for end in ends], [row, row], color=colour(0), linewidth=1)
            for k, (name, (marker, values)) in enumerate(series.items()):
                places = [(max(value, low), row) for row, value in enumerate(values) if math.isfinite(value)]
                size = 60 if k == 0 else 18  # the circle is seen behind a square in the same place
                style = {"marker": marker, "color": colour(k), "s": size, "clip_on": False, "zorder": 3 + k}
                axes.scatter([x for x, _ in places], [y for _, y in places], label=name, linewidths=0, **style)
            axes.set_xlim(low, high)
            logarithmic(axes, "x")
            axes.set_yticks(range(len(tensors)), [short(t.name) for t in tensors])
            axes.set_ylim(len(tensors) - 0.5, -0.5)
            axes.grid(visible=True, axis="y", linewidth=0.3)
            axes.tick_params(axis="y", length=0)
            figure.legend(loc="outside upper left", ncols=len(series), borderaxespad=0.0)
        else:
            say_empty(axes)
        axes.set_xlabel("root mean square of the numbers (no unit)")
        image = svg(figure)
    return Figure(
        title="Size and spread of generated weights",
        caption="Circles: size of a tensor's numbers, with a line from the smallest to the largest context. Triangles: "
        "how far a number is from its own mean over contexts; far left of the circle, the tensor ignores the context. "
        "Squares: how far it is from the mean of its tensor. Zero stands at the left edge."
        + left_out(len(found.tensors), len(shown), "tensors"),
        alt=f"Size and spread of {len(tensors)} tensors on a logarithmic axis. {' '.join(found.findings())}",
        image=image,
    )


def distance_figure(distances: Tensor, names: Sequence[str], *, title: str, caption: str = "", unit: str) -> Figure:
    """How far contexts are from each other, as colours.

    Args:
        distances: ``(contexts, contexts)``.
        names: of the contexts.
        title: above the picture.
        caption: below it.
        unit: what the distance is.
    """
    contexts, cells = len(names), distances.tolist()
    high = float(distances.nan_to_num(posinf=0.0).max())
    with canvas() as (figure, axes):
        image = axes.imshow(cells, vmin=0, vmax=high or 1, cmap="cividis")
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.outline.set_visible(False)
        bar.set_label(unit)
        if contexts <= _ANNOTATED:
            for i, row in enumerate(cells):
                for j, value in enumerate(row):
                    ink = "#ffffff" if value < 0.6 * high else "#000001"  # matplotlib leaves pure black to the page
                    axes.text(j, i, _cell(value), ha="center", va="center", color=ink, fontsize=7)
        ticks = range(0, contexts, math.ceil(contexts / _NAMED))
        labels = [short(names[k], 16) for k in ticks]
        upright = max(map(len, labels)) * len(labels) > 30
        axes.set_xticks(ticks, labels, rotation=90 if upright else 0)
        axes.set_yticks(ticks, labels)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        markup = svg(figure)
    spared = f" One context in {math.ceil(contexts / _NAMED)} is named." if contexts > _NAMED else ""
    alt = f"Heat map of the distances of {contexts} contexts, up to {high:.3g}. {title}."
    return Figure(title=title, caption=caption + spared, alt=alt, image=markup)


def map_figure(found: Map, names: Sequence[str], *, title: str, caption: str = "") -> Figure:
    """Contexts as points in a plane; names that would lie on others are left out.

    Args:
        found: what `inspect.flat_map` or `inspect.neighbour_map` made.
        names: of the contexts.
        title: above the picture.
        caption: below it.
    """
    points = found.points.tolist()
    with canvas() as (figure, axes):
        axes.scatter(*zip(*points, strict=True), color=colour(0), s=24)
        axes.margins(0.15)
        if found.shares is None:
            axes.set_xlabel("first coordinate of the map (no unit)")
            axes.set_ylabel("second coordinate of the map")
        else:
            if not any(found.shares):  # all at the origin
                axes.set_xlim(-1, 1)
                axes.set_ylim(-1, 1)
            elif not found.shares[1]:
                axes.set_ylim(-1, 1)
            axes.set_xlabel(f"first principal component ({found.shares[0]:.0%} of the variance)")
            axes.set_ylabel(f"second principal component ({found.shares[1]:.0%})")
        named = _write_names(figure, axes, points, names)
        image = svg(figure)
    spared = "" if named == len(names) else f" {named} of {len(names)} contexts have room for their names."
    alt = f"Map of {len(points)} contexts. {title}."
    return Figure(title=title, caption=caption + spared, alt=alt, image=image)


def agreement_figure(found: NetworkDistances) -> Figure:
    """Distance of weights against distance of outputs, one point for each pair of contexts.

    Args:
        found: what `inspect.network_distances` measured.
    """
    pairs = tuple(torch.triu_indices(len(found.names), len(found.names), 1))
    weights, outputs = found.weights[pairs], found.outputs[pairs]
    with canvas() as (figure, axes):
        if len(weights):
            axes.scatter(weights.tolist(), outputs.tolist(), color=colour(0), s=18, alpha=0.7, linewidths=0)
            axes.set_xlim(0, 1.08 * float(weights.nan_to_num(posinf=0.0).max()) or 1)
            axes.set_ylim(0, 1.08 * float(outputs.nan_to_num(posinf=0.0).max()) or 1)
        else:
            say_empty(axes)
        axes.set_xlabel("distance of weights (root mean square)")
        axes.set_ylabel("distance of outputs (root mean square)")
        image = svg(figure)
    known = math.isfinite(found.correlation)
    return Figure(
        title="Weight space and function space",
        caption=f"One point for each of {len(weights)} pairs of contexts; outputs on the same inputs."
        + (f" Rank correlation {found.correlation:.2f}." if known else ""),
        alt=f"Scatter plot of {len(weights)} pairs. {' '.join(found.findings())}",
        image=image,
    )


def _cell(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _write_names(figure: Any, axes: Any, points: Sequence[Sequence[float]], names: Sequence[str]) -> int:
    """Write beside each point what lies on no other name or point; how many were written."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # places are known once margins are
    centres = axes.transData.transform(points).tolist()
    taken = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in centres]
    named = 0
    for (x, y), name in zip(points, names, strict=True):
        for shift, side in (((5, 4), "left"), ((-5, 4), "right"), ((5, -10), "left"), ((-5, -10), "right")):
            text = axes.annotate(short(name), (x, y), xytext=shift, textcoords="offset points", ha=side, color=INK)
            box = text.get_window_extent()
            outside = box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1 or box.y0 < axes.bbox.y0 or box.y1 > axes.bbox.y1
            if not outside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                named += 1
                break
            text.remove()
    return named
