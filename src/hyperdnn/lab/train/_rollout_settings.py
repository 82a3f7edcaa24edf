"""How an agent gathers experience: the part of a configuration that every recipe with an environment has."""

from dataclasses import dataclass
from typing import final

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least

__all__ = ["RolloutSettings"]


@final
@dataclass(frozen=True, kw_only=True)
class RolloutSettings:
    """Settings of `rollouts`, beside the `Settings` of its training.

    Args:
        start: steps of uniformly random actions before training begins.
        collect: steps that the agent then takes at a time; 0 learns from the random ones alone.
        updates: iterations of training after them.
        capacity: steps that are remembered; the oldest is forgotten first.
        evaluate_every: iterations between two evaluations.

    Raises:
        ConfigError: a number that makes no sense.
    """

    start: int = 1000
    collect: int = 1
    updates: int = 1
    capacity: int = 1_000_000
    evaluate_every: int = 1000

    def __post_init__(self) -> None:
        try:
            check_least(self, 1, "start", "updates", "capacity", "evaluate_every")
            check_least(self, 0, "collect")
        except ConfigError as error:
            raise ConfigError(f"rollouts.{error}") from None

    def seen(self, iterations: int) -> int:
        """How many steps there have been after so many iterations of training."""
        return self.start + -(-iterations // self.updates) * self.collect
