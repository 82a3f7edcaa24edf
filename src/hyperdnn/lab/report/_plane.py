"""What is measured along a line or over a plane: numbers on both axes."""

import math
from collections.abc import Mapping, Sequence

from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._svg import Figure, canvas, logarithmic, svg

__all__ = ["field", "lines"]

_MOST_MARKED = 30  # points of a line that are marked one by one


def lines(
    pairs: Mapping[str, Sequence[Sequence[float | None]]],
    *,
    title: str,
    caption: str = "",
    xlabel: str,
    ylabel: str,
    log: bool = False,
) -> Figure:
    """One line for each name through pairs of numbers; `curves` is for what is counted, `against` for fractions.

    Args:
        pairs: name -> two numbers for each point, in the order in which they are joined; a number that is None, not
            finite, or without a logarithm where there is one to be taken, leaves a gap.
        title: above the picture.
        caption: below it.
        xlabel: what the first numbers are.
        ylabel: what the second ones are.
        log: both axes by their logarithm.
    """

    def shown(number: float | None) -> bool:
        return number is not None and math.isfinite(number) and (number > 0 or not log)

    with canvas() as (figure, axes):
        for k, (name, points) in enumerate(pairs.items()):
            xs, ys = ([point[i] if shown(point[i]) else math.nan for point in points] for i in range(2))
            axes.plot(xs, ys, color=colour(k), label=name, marker="o" if len(xs) <= _MOST_MARKED else "", markersize=3)
        if any(all(map(shown, point)) for points in pairs.values() for point in points):
            if log:
                logarithmic(axes, "x", "y")
            name_colours(figure, pairs)
        else:
            say_empty(axes)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        alt = f"{ylabel} over {xlabel} for {', '.join(pairs) or 'nothing'}. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def field(
    rows: Sequence[Sequence[float | None]],
    *,
    title: str,
    caption: str = "",
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float],
    extent: tuple[float, float, float, float],
) -> Figure:
    """A function of two coordinates, as colours.

    Args:
        rows: its values on a grid, the lowest row first; None or nan leaves a hole.
        title: above the picture.
        caption: below it.
        xlabel: what changes along a row.
        ylabel: what changes from row to row.
        limits: the values of the first and the last colour, so that several pictures can be compared.
        extent: the grid's left, right, lower and upper end.
    """
    cells = [[math.nan if value is None else value for value in row] for row in rows]
    with canvas() as (figure, axes):
        if cells and cells[0]:
            low, high = limits
            image = axes.imshow(
                cells, vmin=low, vmax=high, cmap="cividis", origin="lower", extent=extent, aspect="auto"
            )
            figure.colorbar(image, ax=axes, shrink=0.8).outline.set_visible(False)
        else:
            say_empty(axes)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        alt = f"Values over {xlabel} and {ylabel}, from {limits[0]:g} to {limits[1]:g}, as colours. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))
