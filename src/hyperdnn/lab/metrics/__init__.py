"""Numbers that judge a run and that torchmetrics lacks.

`continual_summary` says what a sequence of tasks leaves behind. `hypervolume`, `uniformity` and `ray_control` judge a
front of models with several losses, measured for instance along `circle_rays`. `effect_errors` are of effects of a
treatment, `errors_by_shots` of new items.
"""

from hyperdnn.lab.metrics._continual import continual_summary
from hyperdnn.lab.metrics._effects import effect_errors
from hyperdnn.lab.metrics._pareto import circle_rays, hypervolume, ray_control, uniformity
from hyperdnn.lab.metrics._shots import errors_by_shots

__all__ = [
    "continual_summary",
    "circle_rays",
    "hypervolume",
    "ray_control",
    "uniformity",
    "effect_errors",
    "errors_by_shots",
]
