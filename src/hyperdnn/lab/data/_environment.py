"""Environments that an agent acts in, and the episodes by which it is measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.data._trajectory import Trajectory, World
from hyperdnn.lab.data._transitions import Transitions

__all__ = ["Environment", "Play", "Behaviour", "environment", "measured"]

Behaviour: TypeAlias = Callable[[Tensor], Tensor]
"""Observations ``(n, observations)`` -> actions ``(n, actions)`` in [-1, 1]."""

_UNBOUNDED: Final = 1e6  # some environments write a huge number for "any"
_SEEDS: Final = {"validation": 10_000, "test": 20_000}  # of the first episode


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Play:
    """Episodes of an environment.

    Args:
        make: gives a world of one's own.
        actions: how many numbers an action has.
        seeds: where the episodes begin that are measured.
        device: where observations are wanted.
    """

    make: Callable[[], World]
    actions: int
    seeds: tuple[int, ...] = ()
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.seeds)

    def begin(self, generator: torch.Generator) -> Trajectory:
        """An episode that begins anywhere."""
        return Trajectory(self.make(), int(torch.randint(2**31, (), generator=generator)))

    def sample(self, size: int, *, generator: torch.Generator) -> Transitions:
        """So many steps of uniformly random actions, episode after episode, of which the last may stay unfinished."""
        return Transitions.joined(islice(self._babble(generator), size)).to(self.device)

    def returns(self, policy: Behaviour) -> Tensor:
        """The sum of rewards in each of the measured episodes, ``(episodes,)``. They are played side by side."""
        episodes = [Trajectory(self.make(), seed) for seed in self.seeds]
        returns = [0.0] * len(episodes)
        while under_way := [k for k, episode in enumerate(episodes) if not episode.over]:
            actions = policy(torch.stack([episodes[k].observation for k in under_way]).to(self.device))
            for k, action in zip(under_way, actions, strict=True):
                returns[k] += episodes[k].step(action).rewards.item()
        return torch.tensor(returns)

    def _babble(self, generator: torch.Generator) -> Iterator[Transitions]:
        while True:
            episode = self.begin(generator)
            while not episode.over:
                yield episode.step(2 * torch.rand(self.actions, generator=generator) - 1)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Environment:
    """Where an agent acts, and episodes that it does not learn from.

    Args:
        name: for tables and figures.
        train: what is learnt from.
        validation: episodes that settings are chosen on.
        test: episodes that are reported.
        scale: how large the observations are, ``(observations,)``.
        reference: the returns that score 0 and 1, such as those of random actions and of a good policy.
        optimum: the best policy, where it is known.
        action_gradient: observations and actions -> the gradient of the value of an action, if the best policy follows
            it, with respect to the action; where it is known.

    Raises:
        ConfigError: a reference whose first return is not the lower one.
    """

    name: str
    train: Play
    validation: Play
    test: Play
    scale: Tensor
    reference: tuple[float, float] = (0.0, 1.0)
    optimum: Behaviour | None = None
    action_gradient: Callable[[Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.reference[0] < self.reference[1]:
            raise ConfigError(
                f"environment '{self.name}': expected the return that scores 0 below the one that scores 1, got "
                f"{self.reference}."
            )

    def score(self, returns: Tensor) -> Tensor:
        """Returns on a scale on which their area under a curve means something, whatever sign they have."""
        low, high = self.reference
        return (returns - low) / (high - low)

    def to(self, device: torch.device | str) -> "Environment":
        """The same environment, with observations on another device."""
        parts: dict[str, Any] = {
            name: replace(getattr(self, name), device=device) for name in ("train", "validation", "test")
        }
        return replace(self, **parts, scale=self.scale.to(device))


def measured(make: Callable[[], World], actions: int, episodes: int) -> dict[str, Any]:
    """The three parts of an environment, with so many episodes to validate and as many to test."""
    parts: dict[str, Any] = {
        name: Play(make=make, actions=actions, seeds=tuple(range(seed, seed + episodes)))
        for name, seed in _SEEDS.items()
    }
    return {"train": Play(make=make, actions=actions), **parts}


def environment(name: str, *, episodes: int = 10, reference: tuple[float, float] = (0.0, 1.0)) -> Environment:
    """One of gymnasium's environments whose actions and observations are vectors of numbers.

    Actions are brought to [-1, 1]. The scale of an observation is its bound, or 1 where it has none.

    Args:
        name: as gymnasium has it, such as ``"Pendulum-v1"``.
        episodes: how many are played to measure a policy.
        reference: the returns that score 0 and 1.

    Raises:
        MissingExtraError: gymnasium is not installed.
        ConfigError: there is no such environment, it lacks a package, or its actions or observations are no vectors.
    """
    make = partial(_made, name)
    world = make()
    for what, space in (("actions", world.action_space), ("observations", world.observation_space)):
        if len(space.shape or ()) != 1:
            raise ConfigError(f"environment '{name}': expected a vector for {what}, got {space}. Choose another one.")
    high = torch.as_tensor(world.observation_space.high, dtype=torch.float32)
    return Environment(
        name=name,
        scale=torch.where((high < _UNBOUNDED) & (high > 0), high, 1.0),
        reference=reference,
        **measured(make, world.action_space.shape[0], episodes),
    )


def _made(name: str) -> Any:  # gymnasium is not there for everyone who reads this
    try:
        import gymnasium
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("gymnasium", extra="rl") from error
    try:
        world: Any = gymnasium.make(name, disable_env_checker=True)
    except gymnasium.error.Error as error:
        raise ConfigError(f"environment '{name}': {error}") from error
    if isinstance(world.action_space, gymnasium.spaces.Box):
        return gymnasium.wrappers.RescaleAction(world, np.float32(-1), np.float32(1))
    return world
