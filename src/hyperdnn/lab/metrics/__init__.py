"""Numbers that judge a run: what torchmetrics lacks, and thin names over what it has.

`continual_summary` is what a sequence of tasks leaves behind. Of several networks that predict together,
`regression_summary` and `classification_summary` judge the mixture; `coverage` of `quantiles_of`, `predictive_entropy`,
`disagreement` and `auroc` are its parts; `single_accuracies`, `pairwise_disagreement` and `weight_spread` look at the
networks one by one. `coverage_curve`, `reliability_curve`, `detection_curve` and `prediction_rows` make the arrays of
`report.uncertainty_figures`. `hypervolume`, `uniformity` and `ray_control` judge a front of models with several losses,
measured for instance along `circle_rays`. `filtered_ranks` of answers among all candidates come to a `ranking_summary`
or to a `reciprocal_rank_by_group`; `rank_agreement` is that of scores with what they foretell. `effect_errors` are of
effects of a treatment, `errors_by_shots` of new items, `psnr` of images. `confidence_interval` says how sure a mean is,
and `sign_test` how likely so many wins are by chance. `recalibrated_accuracy` is that of a network whose running
statistics are not its own.
"""

from hyperdnn.lab.metrics._classification import (
    auroc,
    classification_summary,
    detection_curve,
    disagreement,
    pairwise_disagreement,
    predictive_entropy,
    reliability_curve,
    single_accuracies,
)
from hyperdnn.lab.metrics._continual import continual_summary
from hyperdnn.lab.metrics._effects import effect_errors
from hyperdnn.lab.metrics._images import psnr
from hyperdnn.lab.metrics._interval import confidence_interval
from hyperdnn.lab.metrics._paired import sign_test
from hyperdnn.lab.metrics._pareto import circle_rays, hypervolume, ray_control, uniformity
from hyperdnn.lab.metrics._rank_agreement import rank_agreement
from hyperdnn.lab.metrics._ranking import filtered_ranks, ranking_summary, reciprocal_rank_by_group
from hyperdnn.lab.metrics._recalibrated import recalibrated_accuracy
from hyperdnn.lab.metrics._regression import (
    coverage,
    coverage_curve,
    prediction_rows,
    quantiles_of,
    regression_summary,
)
from hyperdnn.lab.metrics._shots import errors_by_shots
from hyperdnn.lab.metrics._weights import weight_spread

__all__ = [
    "continual_summary",
    "regression_summary",
    "quantiles_of",
    "coverage",
    "coverage_curve",
    "prediction_rows",
    "classification_summary",
    "single_accuracies",
    "pairwise_disagreement",
    "weight_spread",
    "predictive_entropy",
    "disagreement",
    "auroc",
    "detection_curve",
    "reliability_curve",
    "circle_rays",
    "hypervolume",
    "ray_control",
    "uniformity",
    "filtered_ranks",
    "ranking_summary",
    "reciprocal_rank_by_group",
    "rank_agreement",
    "effect_errors",
    "errors_by_shots",
    "psnr",
    "recalibrated_accuracy",
    "confidence_interval",
    "sign_test",
]
