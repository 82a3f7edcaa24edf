"""Ratings of items by users, most of them unknown."""

import re
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._fetch import path

__all__ = ["Catalogue", "Ratings", "catalogue", "movielens", "simulated_ratings"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Ratings:
    """What users say of items, as far as it is known.

    Args:
        values: ``(users, items)``, zero where unknown.
        known: ``(users, items)``.
        about: ``(items, features)``, what is known of an item before anybody rates it.
    """

    values: Tensor
    known: Tensor
    about: Tensor

    def __len__(self) -> int:
        return self.values.shape[1]

    def items(self, index: Tensor) -> "Ratings":
        """Some of the items, by an index or a mask."""
        return Ratings(values=self.values[:, index], known=self.known[:, index], about=self.about[index])

    def sample(self, size: int, *, generator: torch.Generator) -> "Ratings":
        """All items as some users see them; these are drawn with replacement."""
        users = torch.randint(len(self.values), (size,), generator=generator, device=generator.device)
        users = users.to(self.values.device)
        return Ratings(values=self.values[users], known=self.known[users], about=self.about)

    def to(self, device: torch.device | str) -> "Ratings":
        """The same ratings on another device."""
        return Ratings(values=self.values.to(device), known=self.known.to(device), about=self.about.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """Items that a model is trained on, and items that are new to it, of the same users.

    Args:
        train: what a model is trained on.
        adapt: new items on which it is learnt how to take in new items.
        validation: new items that settings are chosen on.
        test: new items that are reported.
        scale: what an error is multiplied by to be in the ratings' own unit.
    """

    train: Ratings
    adapt: Ratings
    validation: Ratings
    test: Ratings
    scale: float = 1.0

    def to(self, device: torch.device | str) -> "Catalogue":
        """The same catalogue on another device."""
        parts = (part.to(device) for part in (self.train, self.adapt, self.validation, self.test))
        train, adapt, validation, test = parts
        return Catalogue(train=train, adapt=adapt, validation=validation, test=test, scale=self.scale)


def catalogue(ratings: Ratings, *, seed: int) -> Catalogue:
    """Divide items at random, 45 : 30 : 10 : 15, and standardise by the known ratings of the first part.

    Args:
        ratings: to be divided.
        seed: of the division.

    Raises:
        ConfigError: fewer than 20 items.
    """
    if len(ratings) < 20:
        raise ConfigError(f"catalogue: expected at least 20 items, got {len(ratings)}.")
    order = torch.randperm(len(ratings), generator=torch.Generator().manual_seed(seed))
    ends = [round(share * len(ratings)) for share in (0.45, 0.75, 0.85)]
    first = ratings.items(order[: ends[0]])
    seen = first.values[first.known]
    mean, deviation = seen.mean(), seen.std()
    about_mean, about_deviation = first.about.mean(0), first.about.std(0)
    about_deviation = torch.where(about_deviation > 0, about_deviation, 1.0)

    def standard(index: Tensor) -> Ratings:
        part = ratings.items(index)
        values = torch.where(part.known, (part.values - mean) / deviation, 0.0)
        return Ratings(values=values, known=part.known, about=(part.about - about_mean) / about_deviation)

    train, adapt, validation, test = (standard(index) for index in order.tensor_split(ends))
    return Catalogue(train=train, adapt=adapt, validation=validation, test=test, scale=deviation.item())


def movielens(*, least: int = 20) -> Ratings:
    """MovieLens ml-latest-small: 671 users; what is known of a movie is its 20 genres and its year.

    Args:
        least: movies with fewer ratings are left out; 20 leave 1,303 movies.

    Raises:
        ConfigError: more than any movie has.
        DataError: the file is absent or damaged.

    Source:
        Harper & Konstan, "The MovieLens datasets: history and context", ACM TiiS 5, 2015.
    """
    import numpy as np

    with np.load(path("movielens_small", "ml-latest-small-2016.npz"), allow_pickle=False) as file:
        users, movies, stars = file["user"], file["movie"], file["rating"]
        items, titles, genres = file["item_id"], file["item_title"], file["item_genres"]
    user, rows = np.unique(users, return_inverse=True)
    values = torch.zeros(len(user), len(items))
    order = np.argsort(items)
    columns = order[np.searchsorted(items, movies, sorter=order)]
    values[torch.from_numpy(rows), torch.from_numpy(columns)] = torch.from_numpy(stars)
    years = torch.tensor([_year(title) for title in titles])
    years = torch.where(years.isnan(), years.nanmean(), years)
    about = torch.cat([torch.from_numpy(genres).float(), years[:, None]], dim=-1)
    ratings = Ratings(values=values, known=values > 0, about=about)  # half a star is the least
    often = ratings.known.sum(0) >= least
    if not often.any():
        raise ConfigError(
            f"least: no movie has {least} ratings; the most that one has are {ratings.known.sum(0).max()}."
        )
    return ratings.items(often)


def simulated_ratings(users: int, items: int, *, seed: int) -> Ratings:
    """Ratings of which half are known: users have two tastes, items appeal to them as their two features say.

    Args:
        users: how many.
        items: how many.
        seed: of everything.
    """
    generator = torch.Generator().manual_seed(seed)
    tastes, about = (torch.randn(count, 2, generator=generator) for count in (users, items))
    quality = torch.randn(items, generator=generator)
    noise = 0.3 * torch.randn(users, items, generator=generator)
    known = torch.rand(users, items, generator=generator) < 0.5
    values = tastes @ about.T + quality + noise
    return Ratings(values=torch.where(known, values, 0.0), known=known, about=about)


def _year(title: str) -> float:
    """The year at the end of a title, nan where there is none."""
    found = re.search(r"\((\d{4})\)\s*$", title)
    return float(found.group(1)) if found else float("nan")
