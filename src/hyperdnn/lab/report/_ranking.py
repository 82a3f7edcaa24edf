"""The figures of systems that rank answers to queries."""

import math
from collections.abc import Mapping, Sequence

from hyperdnn.lab.report._figures import colour, curves, name_colours
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["ranking_figures"]


def ranking_figures(results: Results, *, baseline: str) -> list[Figure]:
    """How many answers are among the first few, and each relation's mean reciprocal rank beside a baseline's.

    Read from the arrays ``hits_by_level`` and ``mrr_by_relation``, which are those of the first seed. A figure without
    its numbers is left out, the second one also where the baseline was not run.

    Args:
        results: one experiment.
        baseline: the variant that the others are compared with, relation by relation.
    """
    hits = {
        v: [100 * share for share in a["hits_by_level"]] for v, a in results["arrays"].items() if "hits_by_level" in a
    }
    relations = {v: a["mrr_by_relation"] for v, a in results["arrays"].items() if "mrr_by_relation" in a}
    base = relations.pop(baseline, None)
    figures = []
    if hits:
        figures.append(
            curves(
                hits,
                title="Answers among the first few",
                caption="Higher is better; other right answers are left out of the ranking.",
                xlabel="entities that are looked at",
                ylabel="answers among them (%)",
            )
        )
    if base is not None and relations:
        figures.append(_by_relation(relations, base, baseline))
    return figures


def _by_relation(values: Mapping[str, Sequence[float | None]], base: Sequence[float | None], baseline: str) -> Figure:
    """A point for each relation and variant; above the diagonal it ranks better than the baseline."""
    with canvas() as (figure, axes):
        axes.plot([0, 1], [0, 1], linewidth=0.6, color="#808080", zorder=0)
        for k, (variant, row) in enumerate(values.items()):
            pairs = [(x, y) for x, y in zip(base, row, strict=True) if _both_finite(x, y)]
            xs, ys = zip(*pairs, strict=True) if pairs else ((), ())
            axes.scatter(xs, ys, s=14, alpha=0.7, linewidths=0, color=colour(k), label=variant)
        name_colours(figure, values)
        axes.set_xlabel(f"mean reciprocal rank by {baseline}")
        axes.set_ylabel("mean reciprocal rank")
        return Figure(
            title="Relation by relation",
            caption=f"A point for each relation, asked in both directions; above the line better than {baseline}.",
            alt=f"Mean reciprocal rank of {len(base)} relations by {', '.join(values)} against {baseline}.",
            image=svg(figure),
        )


def _both_finite(x: float | None, y: float | None) -> bool:
    return x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
