"""Fronts of models between two losses."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["fronts", "pareto_figures"]

_Points: TypeAlias = Sequence[Sequence[float]]


def pareto_figures(results: Results) -> list[Figure]:
    """The front of every variant, and one figure for each of how well its models keep to their rays.

    Read from the arrays ``losses`` and ``rays`` of each variant, which are those of the first seed. Of more than two
    losses the first two are shown.

    Args:
        results: one experiment.
    """
    found = {name: arrays for name, arrays in results["arrays"].items() if "losses" in arrays and "rays" in arrays}
    if not found:
        return []
    whole = fronts(
        {name: arrays["losses"] for name, arrays in found.items()},
        title="Front",
        caption="One point for each ray. A front further down and to the left is better, a longer one offers more.",
    )
    each = (
        fronts(
            {name: arrays["losses"]},
            rays=arrays["rays"],
            title=f"Front and rays: {name}",
            caption="Each line leads to where its ray would have equal shares, r1 l1 = r2 l2; its model is the point.",
        )
        for name, arrays in found.items()
    )
    return [whole, *each]


def fronts(points: Mapping[str, _Points], *, rays: _Points = (), title: str, caption: str = "") -> Figure:
    """Losses in the plane, in the order of their rays.

    Args:
        points: variant -> the losses of each model.
        rays: lines from the origin along ``(1 / r1, 1 / r2)``.
        title: above the picture.
        caption: below it.
    """
    places = [point for row in points.values() for point in row]
    furthest = [1.05 * max(values) for values in zip(*places, strict=True)]
    with canvas() as (figure, axes):
        for first, second, *_ in rays if places else ():
            # as far as the figure goes, to the right or up
            length = min(furthest[0] * max(first, 1e-9), furthest[1] * max(second, 1e-9))
            end = length / max(first, 1e-9), length / max(second, 1e-9)
            axes.plot([0, end[0]], [0, end[1]], color="#888888", linewidth=0.4, zorder=0)
        for k, (variant, row) in enumerate(points.items()):
            axes.plot(*zip(*(point[:2] for point in row), strict=True), color=colour(k), linewidth=0.8, label=variant)
            axes.scatter(*zip(*(point[:2] for point in row), strict=True), color=colour(k), s=8)
        if places:
            name_colours(figure, points)
        else:
            say_empty(axes)
        axes.set_xlabel("first loss")
        axes.set_ylabel("second loss")
        alt = f"{len(places)} models of {', '.join(points) or 'nothing'} in the plane of two losses. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))
