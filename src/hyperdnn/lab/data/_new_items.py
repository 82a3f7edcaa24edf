"""New items that a few users have rated."""

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._ratings import Ratings

__all__ = ["Adaptation", "NewItemBatch", "NewItems"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NewItemBatch:
    """New items, each with users whose ratings are given and others whose ratings are asked for.

    Args:
        about: ``(items, features)``, what is known of an item before anybody rates it.
        given_users: ``(items, shots, width)``, what is known of the users.
        given: ``(items, shots)``, their ratings.
        is_given: ``(items, shots)``, which of them there are.
        asked_users: ``(items, targets, width)``, what is known of the others.
        asked: ``(items, targets)``, their ratings.
        is_asked: ``(items, targets)``, which of them there are.
    """

    about: Tensor
    given_users: Tensor
    given: Tensor
    is_given: Tensor
    asked_users: Tensor
    asked: Tensor
    is_asked: Tensor

    def squared_errors(self, estimated: Tensor) -> Tensor:
        """The mean squared error of each item, ``(items,)``."""
        return ((estimated - self.asked).square() * self.is_asked).sum(1) / self.is_asked.sum(1)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NewItems:
    """Items that are new to a model which knows their users.

    Args:
        users: ``(users, width)``, what it knows of them; not from these ratings.
        ratings: of the new items.
        shots: most ratings that are given.
        targets: most ratings that are asked for in training.

    Raises:
        ConfigError: an item with no rating left to ask for.
    """

    users: Tensor
    ratings: Ratings
    shots: int
    targets: int

    def __post_init__(self) -> None:
        least = int(self.ratings.known.sum(0).min())
        if least <= self.shots:
            raise ConfigError(
                f"shots: expected fewer than the {least} ratings that one of the items has, got {self.shots}."
            )

    def to(self, device: torch.device | str) -> "NewItems":
        """The same items on another device."""
        return replace(self, users=self.users.to(device), ratings=self.ratings.to(device))

    def sample(self, size: int, *, generator: torch.Generator) -> NewItemBatch:
        """Random items, each with a random number of ratings given, from none on."""
        items, shots = (
            torch.randint(most, (size,), generator=generator).to(self.users.device)
            for most in (len(self.ratings), self.shots + 1)
        )
        return self.episodes(items, shots, targets=self.targets, generator=generator)

    def every(self, shots: Tensor, *, generator: torch.Generator) -> NewItemBatch:
        """Each item once, with so many ratings given, and all others that there are asked for."""
        items = torch.arange(len(self.ratings), device=self.users.device)
        return self.episodes(items, shots, targets=len(self.users), generator=generator)

    def episodes(self, items: Tensor, shots: Tensor, *, targets: int, generator: torch.Generator) -> NewItemBatch:
        """NewItemBatch of certain items, in an order of users that the number of given ratings does not change.

        Args:
            items: their indices, ``(items,)``.
            shots: how many ratings of each are given, ``(items,)``.
            targets: most ratings that are asked for, always behind the place of the last one that could be given.
            generator: of the order of users.
        """
        part, most = self.ratings.items(items), self.shots
        keys = torch.rand(part.known.T.shape, generator=generator, device=generator.device).to(self.users.device)
        keys = torch.where(part.known.T, keys, 2.0)  # users without a rating come last
        width = min(most + targets, int(part.known.sum(0).max()))
        keys, users = keys.topk(width, dim=1, largest=False)
        ratings, known = part.values.T.gather(1, users), keys < 2
        return NewItemBatch(
            about=part.about,
            given_users=self.users[users[:, :most]],
            given=ratings[:, :most],
            is_given=torch.arange(most, device=shots.device) < shots[:, None],
            asked_users=self.users[users[:, most:]],
            asked=ratings[:, most:],
            is_asked=known[:, most:],
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Adaptation:
    """How to take in new items is learnt on some, and seen on others.

    Args:
        train: what is learnt from.
        validation: what training is stopped by.
    """

    train: NewItems
    validation: NewItems

    def to(self, device: torch.device | str) -> "Adaptation":
        """The same items on another device."""
        return Adaptation(train=self.train.to(device), validation=self.validation.to(device))
