"""Batches for two players: one learns from training samples, the other judges it by validation samples."""

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hyperdnn.lab.data._batch import Batch, Task

__all__ = ["TwoLevelBatch", "TwoLevels"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TwoLevelBatch:
    """What both players need for one step each.

    Args:
        train: for the one who learns.
        validation: for the one who judges, and tunes how the other learns.
        noise: standard normal numbers, one row for each of the hyperparameters that are tried.
    """

    train: Batch
    validation: Batch
    noise: Tensor


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TwoLevels:
    """A task of which training sees training and validation samples: the latter to tune hyperparameters by.

    Args:
        task: what is learnt.
        noise_shape: hyperparameters in one step, and numbers in each.
        device: where the noise goes.
    """

    task: Task
    noise_shape: tuple[int, int]
    device: torch.device | str = "cpu"

    @property
    def train(self) -> "TwoLevels":
        """What is learnt from."""
        return self

    def sample(self, size: int, *, generator: torch.Generator) -> TwoLevelBatch:
        """As many samples of each part, drawn with replacement; or all of those to train on, if there are no more."""
        part = self.task.train
        train = part[:] if len(part) <= size else part.sample(size, generator=generator)
        validation = self.task.validation.sample(size, generator=generator)
        noise = torch.randn(self.noise_shape, generator=generator).to(self.device)
        return TwoLevelBatch(train=train, validation=validation, noise=noise)

    def to(self, device: torch.device | str) -> "TwoLevels":
        """The same on another device."""
        return replace(self, task=self.task.to(device), device=device)
