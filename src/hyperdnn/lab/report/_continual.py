"""The figures that every sequence of tasks can show."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TypeAlias

from hyperdnn.lab.report._figures import bars_by_task, curves, heatmap, scatter2d
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure

__all__ = ["continual_figures"]

_Matrix: TypeAlias = Sequence[Sequence[float | None]]


def continual_figures(results: Results) -> list[Figure]:
    """What is kept while tasks are learnt: a curve, bars by task, matrices, the task embeddings.

    Read from the arrays ``accuracy_matrix``, ``inferred_by_task`` (accuracy where nobody says which task it is) and
    ``task_embeddings`` of each variant, which are those of the first seed; a figure without its array is left out.

    Args:
        results: one experiment.
    """
    matrices: dict[str, _Matrix] = {
        variant: arrays["accuracy_matrix"]
        for variant, arrays in results["arrays"].items()
        if arrays.get("accuracy_matrix")
    }
    figures = []
    if matrices:
        figures += [
            curves(
                {variant: [100 * _mean(row[: i + 1]) for i, row in enumerate(m)] for variant, m in matrices.items()},
                title="Accuracy on all tasks learnt so far",
                caption="A method that forgets falls as tasks come in; a flat line keeps what it has learnt.",
                xlabel="tasks learnt",
                ylabel="mean accuracy (%)",
            ),
            bars_by_task(
                {variant: matrix[-1] for variant, matrix in matrices.items()},
                title="Accuracy on each task at the end",
                caption="Early tasks, on the left, are the ones that later training overwrites.",
            ),
        ]
    inferred = {
        variant: arrays["inferred_by_task"]
        for variant, arrays in results["arrays"].items()
        if arrays.get("inferred_by_task")
    }
    if inferred:
        figures.append(
            bars_by_task(
                inferred,
                title="Accuracy on each task at the end, the task being inferred",
                caption="A sample counts if both its task and its class are told correctly.",
            )
        )
    figures += [
        heatmap(
            matrix,
            title=f"Accuracy while learning: {variant}",
            caption="Rows in time, columns by task: read downwards to see one task being kept or forgotten.",
        )
        for variant, matrix in matrices.items()
    ]
    for variant, arrays in results["arrays"].items():
        points = arrays.get("task_embeddings")
        if points:
            figures.append(
                scatter2d(
                    points,
                    [str(task + 1) for task in range(len(points))],
                    title=f"Task embeddings: {variant}",
                    caption="One learned context vector for each task, numbered in the order of learning.",
                )
            )
    return figures


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return fmean(known) if known else math.nan
