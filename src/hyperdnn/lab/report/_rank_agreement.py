"""The figure of systems that score what has not been trained."""

import math
from collections.abc import Sequence

from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["rank_figures"]


def rank_figures(results: Results, *, score: str = "accuracy with generated weights") -> list[Figure]:
    """What was trained by what it scored before: a point for each item and variant.

    Read from the arrays ``scores`` and ``trained``, one number each for each item, and from the metrics ``spearman``
    and ``kendall`` (see `lab.metrics.rank_agreement`), all of the first seed. A variant without the arrays is left out.

    Args:
        results: one experiment.
        score: what the scores are, for the axis.
    """
    found = {v: (a["scores"], a["trained"]) for v, a in results["arrays"].items() if {"scores", "trained"} <= a.keys()}
    if not found:
        return []
    with canvas() as (figure, axes):
        for k, (variant, columns) in enumerate(found.items()):
            xs, ys = map(_numbers, columns)
            axes.scatter(xs, ys, s=14, alpha=0.7, linewidths=0, color=colour(k), label=variant)
        if any(map(_has_points, found.values())):
            name_colours(figure, found)
        else:
            say_empty(axes)
        axes.set_xlabel(score)
        axes.set_ylabel("accuracy when trained")
        image = svg(figure)
    said = [_correlations(results, variant) for variant in found]
    return [
        Figure(
            title="Scores and what training came to",
            caption=" ".join(["The more the points of a variant rise, the better it ranks.", *filter(None, said)]),
            alt=f"Accuracy when trained by {score} for {', '.join(found)}.",
            image=image,
        )
    ]


def _correlations(results: Results, variant: str) -> str:
    metrics = results["metrics"].get(variant, {})
    said = [f"{word} {_written(metrics[name]['values'][0])}" for word, name in _WORDS if name in metrics]
    return f"{variant}: {', '.join(said)}." if said else ""


_WORDS = (("Spearman's rho", "spearman"), ("Kendall's tau", "kendall"))


def _written(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.2f}"


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _has_points(columns: tuple[Sequence[float | None], Sequence[float | None]]) -> bool:
    return any(math.isfinite(x + y) for x, y in zip(*map(_numbers, columns), strict=True))
