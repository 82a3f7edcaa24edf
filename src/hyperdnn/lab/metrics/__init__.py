"""Numbers that judge a run and that torchmetrics lacks: what a sequence of tasks leaves behind, how sure a mean is."""

from hyperdnn.lab.metrics._continual import continual_summary
from hyperdnn.lab.metrics._interval import confidence_interval

__all__ = ["continual_summary", "confidence_interval"]
