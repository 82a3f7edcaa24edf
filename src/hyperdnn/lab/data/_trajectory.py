"""One episode in an environment, step by step."""

from collections.abc import Sequence
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor

from hyperdnn.lab.data._transitions import Transitions

__all__ = ["Trajectory", "World"]


@runtime_checkable
class World(Protocol):
    """What an agent acts in, by the methods of gymnasium's environments: the same seed and actions bring the same."""

    def reset(self, *, seed: int) -> tuple[Any, Any]:
        """Begin an episode: the first observation, and anything."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Any]:
        """Act, by an array: the next observation, the reward, whether it terminated or was cut off, and anything."""


@final
class Trajectory:
    """An episode under way. Seed and actions are all that it takes to come back to where it is.

    Args:
        world: that it takes place in, which it has for itself.
        seed: of its beginning.
        actions: what is done at once.
    """

    def __init__(self, world: World, seed: int, actions: Sequence[Sequence[float]] = ()) -> None:
        self.world = world
        self.seed = seed
        self.actions: list[list[float]] = []
        self.over = False
        self.observation = _row(world.reset(seed=seed)[0])
        for action in actions:
            self.step(torch.tensor(action))

    def step(self, action: Tensor) -> Transitions:
        """Act, by ``(actions,)`` numbers in [-1, 1]; what came of it, as a row."""
        seen = self.observation
        following, reward, terminated, truncated, _ = self.world.step(action.cpu().numpy())
        self.actions.append(action.tolist())
        self.observation, self.over = _row(following), bool(terminated or truncated)
        return Transitions(
            observations=seen[None],
            actions=action.detach().cpu()[None],
            rewards=torch.tensor([float(reward)]),
            following=self.observation[None],
            terminated=torch.tensor([float(terminated)]),
        )


def _row(observation: Any) -> Tensor:
    return torch.as_tensor(observation, dtype=torch.float32).flatten().clone()
