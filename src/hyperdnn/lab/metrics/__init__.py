"""Numbers that judge a run and that torchmetrics lacks: on sequences of tasks, effects of a treatment, new items."""

from hyperdnn.lab.metrics._continual import continual_summary
from hyperdnn.lab.metrics._effects import effect_errors
from hyperdnn.lab.metrics._shots import errors_by_shots

__all__ = ["continual_summary", "effect_errors", "errors_by_shots"]
