"""The plots that recipes share: what is measured by task, over time and in the plane."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.report._svg import INK, Figure, canvas, svg

__all__ = [
    "against",
    "bands",
    "bars_by_task",
    "bars_with_intervals",
    "colour",
    "curves",
    "heatmap",
    "name_colours",
    "say_empty",
    "scatter2d",
]

_PALETTE: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe & Ito, 2008
_LEGEND_LETTERS: Final = 70  # across a figure
_MOST_ANNOTATED: Final = 12  # larger matrices have no room for numbers in their cells


def heatmap(matrix: Sequence[Sequence[float | None]], *, title: str, caption: str = "") -> Figure:
    """Accuracy on each task (columns) after learning each task (rows), in percent.

    Args:
        matrix: fractions; None or nan leaves a cell empty.
        title: above the picture.
        caption: below it.
    """
    cells = [[100 * value for value in _numbers(row)] for row in matrix]
    columns = len(cells[0]) if cells else 0
    with canvas() as (figure, axes):
        if columns:
            image = axes.imshow(cells, vmin=0, vmax=100, cmap="cividis")
            figure.colorbar(image, ax=axes, shrink=0.8, format="%d %%").outline.set_visible(False)
            if len(cells) <= _MOST_ANNOTATED:
                _annotate(axes, cells)
            axes.spines[:].set_visible(False)
            _count_from_one(axes.xaxis, columns)
            _count_from_one(axes.yaxis, len(cells))
        else:
            say_empty(axes)
        axes.set_xlabel("accuracy on task")
        axes.set_ylabel("after learning task")
        alt = f"Heat map of {len(cells)} by {columns} accuracies. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def bars_by_task(values: Mapping[str, Sequence[float | None]], *, title: str, caption: str = "") -> Figure:
    """Accuracy on each task, in percent: one group of bars for each task, one bar in it for each variant.

    Args:
        values: variant -> one fraction for each task; None or nan leaves a gap.
        title: above the picture.
        caption: below it.
    """
    tasks = max(map(len, values.values()), default=0)
    width = 0.8 / max(len(values), 1)
    with canvas() as (figure, axes):
        for k, (variant, row) in enumerate(values.items()):
            places = [task - 0.4 + (k + 0.5) * width for task in range(len(row))]
            heights = [100 * value for value in _numbers(row)]
            axes.bar(places, heights, width=0.9 * width, color=colour(k), label=variant)
        if tasks:
            axes.set_ylim(0, 100)
            _count_from_one(axes.xaxis, tasks)
            name_colours(figure, values)
        else:
            say_empty(axes)
        axes.set_xlabel("task")
        axes.set_ylabel("accuracy (%)")
        alt = f"Bars for {tasks} tasks and {len(values)} variants ({', '.join(values)}). {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def bars_with_intervals(
    values: Mapping[str, tuple[float, float]], *, title: str, caption: str = "", ylabel: str
) -> Figure:
    """One bar for each variant, with the interval in which its value lies.

    Args:
        values: variant -> value and half-width of its interval, in the unit of `ylabel`; nan leaves a gap.
        title: above the picture.
        caption: below it.
        ylabel: what the values are.
    """
    with canvas() as (figure, axes):
        for k, (variant, (value, half)) in enumerate(values.items()):
            axes.bar([k], [value], width=0.7, color=colour(k), label=variant)
            if math.isfinite(value):
                axes.errorbar([k], [value], yerr=[half], color=INK, capsize=4, linewidth=1)
                axes.annotate(f"{value:.1f}", (k, value + half), xytext=(0, 3), textcoords="offset points", ha="center")
        if values:
            axes.set_xticks([])
            axes.margins(y=0.12)
            name_colours(figure, values)
        else:
            say_empty(axes)
        axes.set_ylabel(ylabel)
        alt = f"Bars with intervals for {len(values)} variants ({', '.join(values)}). {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def scatter2d(
    points: Sequence[Sequence[float | None]], labels: Sequence[str], *, title: str, caption: str = ""
) -> Figure:
    """Labelled points in the plane; wider ones are projected on their first two principal components.

    Args:
        points: one row for each label; a row with None or nan is left out.
        labels: written beside the points.
        title: above the picture.
        caption: below it.
    """
    rows = [(label, _numbers(point)) for label, point in zip(labels, points, strict=True)]
    kept = [(label, row) for label, row in rows if row and all(map(math.isfinite, row))]
    places = _plane([row for _, row in kept])
    projected = len(kept) > 1 and len(kept[0][1]) > 2
    with canvas() as (figure, axes):
        for (label, _), (x, y) in zip(kept, places, strict=True):
            axes.scatter([x], [y], color=_PALETTE[0], s=24)
            axes.annotate(label, (x, y), xytext=(4, 4), textcoords="offset points")
        if kept:
            axes.margins(0.12)
        else:
            say_empty(axes)
        axes.set_xlabel("first principal component" if projected else "first coordinate")
        axes.set_ylabel("second principal component" if projected else "second coordinate")
        alt = f"Scatter plot of {len(kept)} points. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def curves(
    lines: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    caption: str = "",
    xlabel: str,
    ylabel: str,
    first: int = 1,
) -> Figure:
    """One line for each name over 1, 2, 3, ...; gaps where values are None or nan.

    Args:
        lines: name -> values, in the unit of `ylabel`.
        title: above the picture.
        caption: below it.
        xlabel: what is counted.
        ylabel: what the values are.
        first: what is counted at the first value.
    """
    longest = max(map(len, lines.values()), default=0)
    with canvas() as (figure, axes):
        for k, (name, row) in enumerate(lines.items()):
            counts = range(first, first + len(row))
            marker = "o" if longest <= 50 else ""
            axes.plot(counts, _numbers(row), color=colour(k), label=name, marker=marker, markersize=3)
        if longest:
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)  # a single value has one
            name_colours(figure, lines)
        else:
            say_empty(axes)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        alt = f"{ylabel} over {xlabel} for {', '.join(lines) or 'nothing'}. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def against(
    lines: Mapping[str, Sequence[Sequence[float | None]]], *, title: str, caption: str = "", xlabel: str, ylabel: str
) -> Figure:
    """One line for each name over fractions, beside the diagonal.

    Args:
        lines: name -> pairs of two fractions; None or nan leaves a gap.
        title: above the picture.
        caption: below it.
        xlabel: what the first ones are.
        ylabel: what the second ones are.
    """
    with canvas() as (figure, axes):
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle="--")
        for k, (name, pairs) in enumerate(lines.items()):
            xs, ys = zip(*map(_numbers, pairs), strict=True) if pairs else ((), ())
            axes.plot(xs, ys, color=colour(k), label=name, marker="o" if len(xs) <= 20 else "", markersize=3)
        if lines:
            name_colours(figure, lines)
        else:
            say_empty(axes)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        alt = f"{ylabel} against {xlabel} for {', '.join(lines) or 'nothing'}. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def bands(rows: Sequence[Sequence[float | None]], *, title: str, caption: str = "") -> Figure:
    """Predicted means with two bands of two deviations each, and what was observed, in the order of the means.

    Args:
        rows: mean, inner deviation, outer deviation and observed number of each sample; a row with None or nan is left
            out.
        title: above the picture.
        caption: below it.
    """
    kept = sorted(row for row in map(_numbers, rows) if all(map(math.isfinite, row)))
    with canvas() as (figure, axes):
        if kept:
            means, inner, outer, observed = zip(*kept, strict=True)
            places = range(len(kept))
            for deviations, alpha in ((outer, 0.2), (inner, 0.45)):
                low, high = ([m + sign * 2 * d for m, d in zip(means, deviations, strict=True)] for sign in (-1, 1))
                axes.fill_between(places, low, high, color=_PALETTE[0], alpha=alpha, linewidth=0)
            axes.plot(places, means, color=_PALETTE[0], linewidth=1)
            axes.scatter(places, observed, color=_PALETTE[5], s=6, zorder=3)
        else:
            say_empty(axes)
        axes.set_xlabel("sample, by predicted mean")
        axes.set_ylabel("standardised target")
        alt = f"Predictive bands and observations of {len(kept)} samples. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def _numbers(row: Sequence[float | None]) -> list[float]:
    """The row with nan for what is missing: results.json has null there."""
    return [math.nan if value is None else float(value) for value in row]


def colour(k: int) -> str:
    """The colour of the k-th of several things; after six they come again."""
    return _PALETTE[k % len(_PALETTE)]


def _annotate(axes: Any, cells: Sequence[Sequence[float]]) -> None:
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            if math.isfinite(value):
                ink = "#ffffff" if value < 60 else "#000001"  # matplotlib leaves pure black to the page
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=7)


def _count_from_one(axis: Any, count: int) -> None:
    """Tick labels 1, 2, 3, ..., thinned out where they would touch."""
    ticks = range(0, count, math.ceil(count / 20))
    axis.set_ticks(ticks, [str(tick + 1) for tick in ticks])
    axis.set_tick_params(length=0)


def name_colours(figure: Any, names: Iterable[str]) -> None:
    """A legend above the plot, in as many columns as fit."""
    widest = max(map(len, names)) + 9  # a column also holds the coloured mark and its margin, nine letters wide
    figure.legend(loc="outside upper left", ncols=max(_LEGEND_LETTERS // widest, 1), borderaxespad=0.0)


def say_empty(axes: Any) -> None:
    """Write so where a picture has nothing to show."""
    axes.text(0.5, 0.5, "no data", ha="center", va="center", transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _plane(points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Two coordinates for each point: its own, or the first two principal components."""
    if len(points) < 2 or len(points[0]) < 3:
        return [(point[0], point[1] if len(point) > 1 else 0.0) for point in points]
    try:
        from sklearn.decomposition import PCA
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error
    return [(float(x), float(y)) for x, y in PCA(2).fit_transform(points)]
