"""A task, and inputs of another kind that should look unfamiliar to whoever has learnt it."""

from dataclasses import dataclass, replace
from typing import final

import torch

from hyperdnn.lab.data._batch import Split, Task
from hyperdnn.lab.data._continual import permuted
from hyperdnn.lab.data._load import load

__all__ = ["Detection", "detection"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """What is learnt, and what should look unfamiliar. Under `on_validation`, both show their validation part.

    Args:
        task: what is learnt.
        outside: what is not; None if nothing is to be detected.
    """

    task: Task
    outside: Task | None

    @property
    def train(self) -> Split:
        """What is learnt from."""
        return self.task.train

    def to(self, device: torch.device | str) -> "Detection":
        """The same data on another device."""
        return replace(self, task=self.task.to(device), outside=self.outside and self.outside.to(device))


def detection(source: str, *, outside: str) -> Detection:
    """A plain set of images, and another one beside it.

    Args:
        source: what is learnt, a name for `load`.
        outside: what is not: another name, or "permuted", the same images with their pixels in another order.

    Raises:
        ConfigError: an unknown name.
        DataError: files that are absent, damaged or out of reach.
    """
    task = load(source)
    return Detection(task=task, outside=permuted(task, tasks=2, seed=0)[1] if outside == "permuted" else load(outside))
