"""The figures of clients that train together."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["federated_figures"]

_SHOWN = (
    (
        "client_accuracy",
        "Accuracy of each client",
        "One dot for each client, in the same order in every column; the line is their mean.",
    ),
    (
        "client_finetuned_accuracy",
        "Accuracy after local steps",
        "The same clients after steps on their own data that the server did not learn of.",
    ),
    (
        "client_new_accuracy",
        "Accuracy of clients that came later",
        "They took no part in the training of what all share.",
    ),
)


def federated_figures(results: Results) -> list[Figure]:
    """How well the network of each client does: as it was sent, after local steps, and for those that came later.

    Read from the arrays ``client_accuracy``, ``client_finetuned_accuracy`` and ``client_new_accuracy`` of each variant,
    which are those of the first seed; a figure without its array is left out.

    Args:
        results: one experiment.
    """
    figures = []
    for name, title, caption in _SHOWN:
        values = {variant: arrays[name] for variant, arrays in results["arrays"].items() if arrays.get(name)}
        if values:
            figures.append(_dots(values, title=title, caption=caption))
    return figures


def _dots(values: Mapping[str, Sequence[float | None]], *, title: str, caption: str) -> Figure:
    """One column of dots for each variant, in percent; None or nan is left out."""
    with canvas() as (figure, axes):
        for k, (variant, row) in enumerate(values.items()):
            dots = [
                (k - 0.3 + 0.6 * (place + 0.5) / len(row), 100 * value)
                for place, value in enumerate(row)
                if value is not None and math.isfinite(value)
            ]
            if not dots:
                continue
            axes.scatter(*zip(*dots, strict=True), s=10, alpha=0.8, linewidths=0, color=colour(k), label=variant)
            mean = fmean(height for _, height in dots)
            axes.plot([k - 0.38, k + 0.38], [mean, mean], color=colour(k), linewidth=1.2)
        if axes.has_data():
            axes.set_xticks([])
            name_colours(figure, values)
        else:
            say_empty(axes)
        axes.set_ylabel("accuracy (%)")
        alt = f"Accuracies of single clients for {len(values)} variants ({', '.join(values)}). {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))
