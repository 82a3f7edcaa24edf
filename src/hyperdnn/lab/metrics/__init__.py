"""Numbers that judge a run and that torchmetrics lacks: on sequences of tasks, on effects of a treatment."""

from hyperdnn.lab.metrics._continual import continual_summary
from hyperdnn.lab.metrics._effects import effect_errors

__all__ = ["continual_summary", "effect_errors"]
