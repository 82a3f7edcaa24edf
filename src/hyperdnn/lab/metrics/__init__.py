"""Numbers that judge a run and that torchmetrics lacks: what a sequence of tasks leaves behind."""

from hyperdnn.lab.metrics._continual import continual_summary

__all__ = ["continual_summary"]
