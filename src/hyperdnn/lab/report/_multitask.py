"""The figures of systems that learn several tasks together."""

from hyperdnn.lab.report._figures import bars_by_task, scatter2d
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure

__all__ = ["multitask_figures"]


def multitask_figures(results: Results, *, tasks: tuple[str, ...]) -> list[Figure]:
    """The accuracy on each task, and the embeddings of the tasks.

    Read from the arrays ``accuracy_by_task`` and ``task_embeddings``, which are those of the first seed. A figure
    without its numbers is left out.

    Args:
        results: one experiment.
        tasks: settings of its configuration that together name the tasks in their order.
    """
    names = [str(name) for setting in tasks for name in _listed(results["config"].get(setting))]
    by_task = {v: a["accuracy_by_task"] for v, a in results["arrays"].items() if "accuracy_by_task" in a}
    figures = []
    if by_task:
        numbered = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
        figures.append(bars_by_task(by_task, title="Accuracy on each task", caption=f"The tasks: {numbered}."))
    for variant, arrays in results["arrays"].items():
        points = arrays.get("task_embeddings")
        if points and len(points) == len(names):
            figures.append(
                scatter2d(
                    points,
                    names,
                    title=f"Task embeddings: {variant}",
                    caption="One learned context vector for each task; near ones get similar weights.",
                )
            )
    return figures


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
