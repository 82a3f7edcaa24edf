"""What an agent learns from: what it saw, what it did, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import final

import torch
from torch import Tensor

__all__ = ["Transitions"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Transitions:
    """Steps in an environment, one row for each.

    Args:
        observations: what was seen, ``(n, observations)``.
        actions: what was done, ``(n, actions)``, in [-1, 1].
        rewards: what it was worth, ``(n,)``.
        following: what was seen next, ``(n, observations)``; the last observation of an episode where one ended.
        terminated: 1 where nothing can follow, else 0. An episode that was cut off has not terminated: what would have
            followed still has a value.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    following: Tensor
    terminated: Tensor

    def __len__(self) -> int:
        return len(self.rewards)

    def __getitem__(self, index: slice | Tensor) -> "Transitions":
        """Some of them."""
        return Transitions(**{name: tensor[index] for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> "Transitions":
        """The same transitions on another device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in self.tensors().items()})

    @classmethod
    def joined(cls, parts: Iterable["Transitions"]) -> "Transitions":
        """One after the other."""
        columns = [part.tensors() for part in parts]
        return cls(**{name: torch.cat([one[name] for one in columns]) for name in columns[0]})

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
