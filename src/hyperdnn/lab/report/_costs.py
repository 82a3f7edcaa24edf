"""The figure of networks of different cost."""

import math
from collections.abc import Sequence

from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["cost_figures"]


def cost_figures(results: Results, *, cost: str) -> list[Figure]:
    """Accuracy by cost: a point for each network of each variant, and small ones for those that it did not choose.

    Read from the arrays ``by_cost`` and ``others_by_cost``, pairs of cost and accuracy, which are those of the first
    seed. A variant without the first is left out, the second may be missing.

    Args:
        results: one experiment.
        cost: what it is, with its unit, for the axis.
    """
    found = {name: arrays for name, arrays in results["arrays"].items() if arrays.get("by_cost")}
    if not found:
        return []
    with canvas() as (figure, axes):
        for k, (name, arrays) in enumerate(found.items()):
            others = arrays.get("others_by_cost") or ()
            axes.scatter(*_columns(others), color=colour(k), s=12, alpha=0.4, linewidths=0)
            axes.scatter(*_columns(arrays["by_cost"]), color=colour(k), s=36, label=name)
        if any(map(math.isfinite, (y for arrays in found.values() for y in _columns(arrays["by_cost"])[1]))):
            name_colours(figure, found)
        else:
            say_empty(axes)
        axes.set_xlabel(cost)
        axes.set_ylabel("accuracy (%)")
        image = svg(figure)
    return [
        Figure(
            title="Accuracy by cost",
            caption="Large points are what a variant chose, small ones of its colour random networks. Higher and "
            "further to the left is better.",
            alt=f"Accuracy over {cost} of networks by {', '.join(found)}.",
            image=image,
        )
    ]


def _columns(points: Sequence[Sequence[float | None]]) -> tuple[list[float], list[float]]:
    """Costs, and accuracies in percent; nan for what is missing."""
    costs, accuracies = ([math.nan if value is None else value for value in column] for column in _transposed(points))
    return costs, [100 * one for one in accuracies]


def _transposed(points: Sequence[Sequence[float | None]]) -> tuple[list[float | None], list[float | None]]:
    return [point[0] for point in points], [point[1] for point in points]
