"""What a search comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from hyperdnn.errors import ConfigError
from hyperdnn.lab.tuning._space import Space, configured
from hyperdnn.lab.tuning._study import Direction, Trial, ranked

__all__ = ["Tuning"]


@final
@dataclass(frozen=True, kw_only=True)
class Tuning:
    """All trials of a search, and the best configuration.

    Args:
        recipe: its name.
        config: what was searched around.
        metric: ``"<variant>/<metric>"``, on validation data.
        direction: which values are better.
        seeds: those that every trial was trained with.
        space: what was searched.
        trials: the finished ones, as they were tried.
        importance: the share of each setting in what makes good trials good, as Optuna estimates it; empty for few
            trials.
    """

    recipe: str
    config: Any
    metric: str
    direction: Direction
    seeds: Sequence[int]
    space: Space
    trials: Sequence[Trial]
    importance: Mapping[str, float]

    @property
    def ranked(self) -> list[Trial]:
        """The trials with a value, the best first; of equals the one that was tried first."""
        return ranked(self.trials, self.direction)

    @property
    def best(self) -> Any:
        """The configuration with the best trial's values in it.

        Raises:
            ConfigError: no trial has a value.
        """
        if not self.ranked:
            raise ConfigError(
                f"none of the {len(self.trials)} trials stayed within the numbers. Search lower learning rates, or set "
                "train.clip_norm."
            )
        return configured(self.config, self.ranked[0].settings)
