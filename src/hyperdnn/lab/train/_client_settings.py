"""What clients do in a round: the part of a configuration that every federated recipe has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least
from hyperdnn.lab.train._settings import Settings

__all__ = ["ClientSettings"]


@final
@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Settings of the clients of `rounds`; those of the server are its `Settings`.

    Args:
        per_round: clients that are drawn in each round.
        steps: of a client's optimiser in a round; it starts afresh each time.
        batch_size: samples in a client's batch.
        optimizer: which one.
        lr: learning rate.
        momentum: of SGD.
        weight_decay: as in `Settings`.
        clip_norm: gradients of a client's network with a larger norm are scaled down to it.
        newcomers: the last so many clients are not there yet, and come when the others are done.
        evaluate_every: rounds between two evaluations of all clients; null for one at the end only.

    Raises:
        ConfigError: a number that makes no sense.
    """

    per_round: int = 1
    steps: int = 50
    batch_size: int = 64
    optimizer: Literal["adam", "adamw", "sgd"] = "sgd"
    lr: float = 5e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float | None = None
    newcomers: int = 0
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        if self.evaluate_every is not None and self.evaluate_every < 1:
            raise ConfigError(f"client.evaluate_every: expected 1 or more, or null, got {self.evaluate_every}.")
        try:
            check_least(self, 1, "per_round", "steps")
            check_least(self, 0, "newcomers")
            self._settings()
        except ConfigError as error:
            raise ConfigError(f"client.{error}") from None

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """A fresh optimiser of these parameters, those left out that are frozen."""
        return self._settings().make_optimizer(parameters)

    def _settings(self) -> Settings:
        return Settings(
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
        )
