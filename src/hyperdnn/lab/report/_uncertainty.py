"""The figures that every distribution over networks can show."""

from collections.abc import Mapping, Sequence
from typing import Final

from hyperdnn.lab.report._figures import against, bands
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure

__all__ = ["uncertainty_figures"]

_CURVES: Final = (
    (
        "coverage_curve",
        "Coverage of central intervals",
        "On the diagonal an interval holds as many samples as it says; below it the model is too sure of itself.",
        "level of the interval",
        "share of samples inside",
    ),
    (
        "reliability_curve",
        "Accuracy at each confidence",
        "On the diagonal the model is right as often as it says; below it the model is too sure of itself.",
        "mean confidence",
        "accuracy",
    ),
    (
        "detection_curve",
        "Telling unfamiliar inputs by their predictive entropy",
        "How many unfamiliar inputs are noticed (up) for how many familiar ones that are taken for such (right).",
        "share of familiar inputs flagged",
        "share of unfamiliar inputs flagged",
    ),
)


def uncertainty_figures(results: Results) -> list[Figure]:
    """Whether predictions hold what they promise: calibration, what is unfamiliar, and predictive bands.

    Read from the arrays ``coverage_curve``, ``reliability_curve``, ``detection_curve`` and ``predictions`` of each
    variant (see `lab.metrics`), which are those of the first seed; a figure without its array is left out.

    Args:
        results: one experiment.
    """
    figures = []
    for array, title, caption, xlabel, ylabel in _CURVES:
        lines = _found(results, array)
        if lines:
            figures.append(against(lines, title=title, caption=caption, xlabel=xlabel, ylabel=ylabel))
    figures += [
        bands(
            rows,
            title=f"Predictions: {variant}",
            caption="Test samples by predicted mean, with two deviations either way: dark, the part on which the "
            "networks disagree; light, with the noise.",
        )
        for variant, rows in _found(results, "predictions").items()
    ]
    return figures


def _found(results: Results, array: str) -> Mapping[str, Sequence[Sequence[float | None]]]:
    return {variant: arrays[array] for variant, arrays in results["arrays"].items() if arrays.get(array)}
