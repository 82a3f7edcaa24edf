"""The figure of systems that tune one hyperparameter."""

from hyperdnn.lab.report._plane import lines
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure

__all__ = ["response_figures"]


def response_figures(results: Results, *, hyperparameter: str, loss: str) -> list[Figure]:
    """What validation comes to by the hyperparameter, and what each variant predicts.

    Read from the arrays ``exact`` and ``predicted``, pairs of hyperparameter and loss, which are those of the first
    seed. A variant without them is left out.

    Args:
        results: one experiment.
        hyperparameter: what it is, for the axis.
        loss: what is lost, for the axis.
    """
    found = {name: arrays for name, arrays in results["arrays"].items() if arrays.get("exact")}
    pairs = {name: arrays["predicted"] for name, arrays in found.items()}
    if found:
        pairs["exact"] = next(iter(found.values()))["exact"]
    return [
        lines(
            pairs,
            title="Validation loss by the hyperparameter",
            caption="What training comes to for each of its values, and what is predicted without.",
            xlabel=hyperparameter,
            ylabel=loss,
        )
    ]
