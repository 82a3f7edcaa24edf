"""Contexts that are drawn, batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hyperdnn.lab.data._batch import Batch, Split, Task

__all__ = ["DrawnContexts"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnContexts:
    """A task whose training batches each come with a context of their own: a preference, hyperparameters, noise.

    Args:
        task: what is learnt.
        draw: one context, all its randomness from the generator, which is on the CPU.
    """

    task: Task
    draw: Callable[[torch.Generator], Tensor]

    @property
    def train(self) -> "_Samples":
        """What is learnt from."""
        return _Samples(split=self.task.train, draw=self.draw)

    @property
    def validation(self) -> Split:
        """What settings are chosen on."""
        return self.task.validation

    @property
    def test(self) -> Split:
        """What is reported."""
        return self.task.test

    def to(self, device: torch.device | str) -> "DrawnContexts":
        """The same on another device."""
        return replace(self, task=self.task.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Samples:
    split: Split
    draw: Callable[[torch.Generator], Tensor]

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """A random batch, and a context for it."""
        batch = self.split.sample(size, generator=generator)
        return replace(batch, context=self.draw(generator).to(batch.inputs.device))
