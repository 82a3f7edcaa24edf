"""The figures of agents."""

from collections.abc import Mapping, Sequence

from hyperdnn.lab.report._figures import colour, name_colours
from hyperdnn.lab.report._plane import lines
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["rollout_figures"]


def rollout_figures(results: Results) -> list[Figure]:
    """How agents learn, and how well their critics' gradients point, over the course of training.

    Read from the arrays ``seen``, ``trained_for``, ``curve_scores`` and ``curve_cosine`` of the first seed; a figure
    without its numbers is left out, as is the score of agents that do nothing in the environment.

    Args:
        results: one experiment.
    """
    arrays = {variant: found for variant, found in results["arrays"].items() if "seen" in found}
    learning = {
        variant: list(zip(found["seen"], found["curve_scores"], strict=True))
        for variant, found in arrays.items()
        if "curve_scores" in found and found["seen"][0] != found["seen"][-1]
    }
    cosines = {
        variant: [(float(k), cosine) for k, cosine in zip(found["trained_for"], found["curve_cosine"], strict=True)]
        for variant, found in arrays.items()
        if "curve_cosine" in found
    }
    figures = []
    if learning:
        figures.append(_with_bands(learning))
    if cosines:
        figures.append(
            lines(
                cosines,
                title="Do critics know which way is up?",
                caption="Cosine between the gradients of critic and true value with respect to the action; 1 is best.",
                xlabel="iterations of training",
                ylabel="cosine of gradients",
            )
        )
    return figures


def _with_bands(learning: Mapping[str, Sequence[tuple[int, Sequence[float]]]]) -> Figure:
    """Mean scores, within a deviation of those of single episodes."""
    title = "Learning from experience"
    with canvas() as (figure, axes):
        for k, (variant, points) in enumerate(learning.items()):
            places = [place for place, _ in points]
            means = [sum(scores) / len(scores) for _, scores in points]
            spreads = [
                (sum((score - mean) ** 2 for score in scores) / len(scores)) ** 0.5
                for mean, (_, scores) in zip(means, points, strict=True)
            ]
            low, high = ([m + sign * s for m, s in zip(means, spreads, strict=True)] for sign in (-1, 1))
            axes.fill_between(places, low, high, color=colour(k), alpha=0.15, linewidth=0)
            axes.plot(places, means, color=colour(k), label=variant, marker="o", markersize=3)
        name_colours(figure, learning)
        axes.set_xlabel("steps in the environment")
        axes.set_ylabel("score of an episode")
        return Figure(
            title=title,
            caption="Mean of the episodes that measure an agent of the first seed, and their standard deviation.",
            alt=f"Scores over steps in the environment for {', '.join(learning)}. {title}.",
            image=svg(figure),
        )
