"""Numbers that judge a run and that torchmetrics lacks.

`continual_summary` says what a sequence of tasks leaves behind. `hypervolume`, `uniformity` and `ray_control` judge a
front of models with several losses, measured for instance along `circle_rays`.
"""

from hyperdnn.lab.metrics._continual import continual_summary
from hyperdnn.lab.metrics._pareto import circle_rays, hypervolume, ray_control, uniformity

__all__ = ["continual_summary", "circle_rays", "hypervolume", "ray_control", "uniformity"]
