"""The figures of systems that estimate effects of a treatment."""

from collections.abc import Sequence

from hyperdnn.lab.report._agreement import agreement
from hyperdnn.lab.report._figures import curves
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure

__all__ = ["effect_figures"]


def effect_figures(results: Results, *, shown: Sequence[str]) -> list[Figure]:
    """Estimated against true effects of single units, and the errors of all seeds.

    Read from the arrays ``true_effect`` and ``estimated_effect``, which are those of the first seed, and from the
    metric ``standard_pehe``. A variant that was not run is left out.

    Args:
        results: one experiment.
        shown: variants to compare, six at most: as many as there are colours.
    """
    arrays = {variant: results["arrays"][variant] for variant in shown if results["arrays"].get(variant)}
    if not arrays:
        return []
    return [
        agreement(
            {variant: found["estimated_effect"] for variant, found in arrays.items()},
            next(iter(arrays.values()))["true_effect"],
            title="Effects of single units",
            caption="Units that were not learnt from; on the line the estimate is right.",
            quantity="effect",
        ),
        curves(
            {variant: results["metrics"][variant]["standard_pehe"]["values"] for variant in arrays},
            title="Errors seed by seed",
            caption="Lower is better; with the same seed all variants have the same units.",
            xlabel="seed, in order",
            ylabel="root PEHE (deviations of the outcome)",
        ),
    ]
