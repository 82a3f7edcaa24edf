"""The figures that every few-shot recipe can show."""

import math

from hyperdnn.lab.report._figures import bars_with_intervals, curves
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure

__all__ = ["fewshot_figures"]


def fewshot_figures(results: Results) -> list[Figure]:
    """How well classes are told apart after a few samples: bars with intervals, and a curve over inner steps.

    Read from the metrics ``accuracy`` and ``accuracy_interval``, means over the seeds, and from the array
    ``accuracy_by_step`` of the first seed; a figure without its numbers is left out.

    Args:
        results: one experiment.
    """
    bars = {
        variant: (100 * metrics["accuracy"]["mean"], 100 * metrics["accuracy_interval"]["mean"])
        for variant, metrics in results["metrics"].items()
        if {"accuracy", "accuracy_interval"} <= metrics.keys()
    }
    steps = {
        variant: [math.nan if value is None else 100 * value for value in arrays["accuracy_by_step"]]
        for variant, arrays in results["arrays"].items()
        if len(arrays.get("accuracy_by_step", ())) > 1
    }
    figures = []
    if bars:
        figures.append(
            bars_with_intervals(
                bars,
                title="Accuracy on classes that were not trained on",
                caption="Mean over test problems; the whisker is the 95 % interval of one trained model's mean.",
                ylabel="accuracy (%)",
            )
        )
    if steps:
        figures.append(
            curves(
                steps,
                title="Accuracy while adapting to a problem",
                caption="Before the first step nothing is known of the labels: chance. Then gradient descent begins.",
                xlabel="inner steps",
                ylabel="accuracy (%)",
                first=0,
            )
        )
    return figures
