"""The parts of a recipe that a loop calls."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from hyperdnn.lab.train._state import State

__all__ = ["AfterTask", "BeforeTask", "Data", "Draw", "Evaluate", "Finish", "Samples", "Step", "Validate"]

# The classes of model, batch and data are the recipe's own, and a parameter's type cannot be narrowed: hence Any.
Step: TypeAlias = Callable[[Any, Any, State], dict[str, Tensor]]
"""Model, batch, state -> losses by name: ``"loss"`` is minimised, the others are logged."""

Evaluate: TypeAlias = Callable[[Any, Any], dict[str, Any]]
"""Model and data -> metrics by name; in `fit`, a list among them is an array for figures."""

Validate: TypeAlias = Callable[[Any, Any], float]
"""Model and data -> the loss on data that is not trained on, by which training may stop early."""

BeforeTask: TypeAlias = Callable[[Any, State], None]
"""Model and state, whose ``task`` is the one to be learnt next: what a recipe remembers or freezes before it."""


AfterTask: TypeAlias = Callable[[Any, Any, State], None]
"""Model, the task that was just learnt, on the model's device, and state: what a recipe measures on its data."""

Finish: TypeAlias = Callable[[Any, Any], dict[str, Any]]
"""Model and all tasks of a sequence, when the last has been learnt -> metrics by name, lists being arrays: what can be
measured on all of them only, such as how well they are told apart."""


@runtime_checkable
class Draw(Protocol):
    """Where batches come from."""

    def __call__(self, *, generator: torch.Generator) -> Any:
        """The next batch; all its randomness comes from the generator."""


@runtime_checkable
class Samples(Protocol):
    """What batches are drawn from, such as `data.Split`."""

    def sample(self, size: int, *, generator: torch.Generator) -> Any:
        """A random batch, of the recipe's own kind; all its randomness comes from the generator."""


@runtime_checkable
class Data(Protocol):
    """What a model is trained on and evaluated with, such as `data.Task`."""

    @property
    def train(self) -> Samples:
        """What is learnt from."""

    def to(self, device: torch.device | str) -> Any:
        """The same data on another device."""
