"""The parts of a recipe that a loop calls."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from hyperdnn.lab.data import Batch, Task
from hyperdnn.lab.train._state import State

__all__ = ["BeforeTask", "Draw", "Evaluate", "Step"]

# The model's class is the recipe's own, and a parameter's type cannot be narrowed: hence Any.
Step: TypeAlias = Callable[[Any, Batch, State], dict[str, Tensor]]
"""Model, batch, state -> losses by name: ``"loss"`` is minimised, the others are logged."""

Evaluate: TypeAlias = Callable[[Any, Task], dict[str, float]]
"""Model and one task -> metrics by name."""

BeforeTask: TypeAlias = Callable[[Any, State], None]
"""Model and state, whose ``task`` is the one to be learnt next: what a recipe remembers or freezes before it."""


@runtime_checkable
class Draw(Protocol):
    """Where batches come from."""

    def __call__(self, *, generator: torch.Generator) -> Batch:
        """The next batch; all its randomness comes from the generator."""
