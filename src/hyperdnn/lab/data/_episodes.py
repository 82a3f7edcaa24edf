"""Few-shot problems, drawn at random from classes that are held in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["Episode", "EpisodeShape", "Episodes", "FewShot"]


@final
@dataclass(frozen=True, kw_only=True)
class EpisodeShape:
    """How large a few-shot problem is.

    Args:
        ways: classes to tell apart.
        shots: samples of each class that are learnt from.
        queries: samples of each class that are to be classified.
        others: further classes of which there are queries only, to see whether a model knows what it has not learnt.

    Raises:
        ConfigError: a number that makes no sense.
    """

    ways: int = 5
    shots: int = 1
    queries: int = 15
    others: int = 0

    def __post_init__(self) -> None:
        for name, least in (("ways", 2), ("shots", 1), ("queries", 1), ("others", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: expected {least} or more, got {getattr(self, name)}.")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """Some few-shot problems at once, each with a few labelled samples to learn from and others to be tested on.

    The label of a sample is its place along the dimension of the ways. Which class has which label is drawn anew in
    each problem, so that none can be learnt by heart.

    Args:
        support: what is learnt from, ``(problems, ways, shots, *shape)``.
        query: what is to be classified, ``(problems, ways, queries, *shape)``.
        others: samples of classes that have no label, ``(problems, others, queries, *shape)``.
    """

    support: Tensor
    query: Tensor
    others: Tensor

    def __len__(self) -> int:
        return len(self.support)

    @property
    def support_targets(self) -> Tensor:
        """Labels of the support, ``(problems, ways, shots)``."""
        return _labels(self.support)

    @property
    def query_targets(self) -> Tensor:
        """Labels of the queries, ``(problems, ways, queries)``."""
        return _labels(self.query)

    def rolled(self, places: int = 1) -> "Episode":
        """The same problems with every label moved on: what is drawn is the same, only the order of classes is not."""
        return replace(self, support=self.support.roll(places, dims=1), query=self.query.roll(places, dims=1))

    def through(self, module: Callable[[Tensor], Tensor]) -> "Episode":
        """The same problems with features in place of images, all read in one pass.

        Args:
            module: images ``(n, *shape)`` -> features ``(n, ...)``.
        """
        parts = (self.support, self.query, self.others)
        features = module(torch.cat([part.flatten(0, 2) for part in parts]))
        cut = torch.split(features, [part.shape[:3].numel() for part in parts])
        support, query, others = (
            one.reshape(part.shape[:3] + features.shape[1:]) for one, part in zip(cut, parts, strict=True)
        )
        return Episode(support=support, query=query, others=others)

    def to(self, device: torch.device | str) -> "Episode":
        """The same problems on another device."""
        return Episode(support=self.support.to(device), query=self.query.to(device), others=self.others.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Episodes:
    """Draws few-shot problems from some classes. Meets `train.Samples`: its batches are problems.

    Images come out as float32, ``stored * scale``. With ``turns`` a class may come rotated by a quarter, half or three
    quarters of a turn, which makes it another class; no problem has a class twice, in whatever rotation, since some
    characters look the same in two.

    Args:
        stored: square images of all classes, ``(classes, samples, channels, side, side)``.
        size: of a problem.
        scale: what a stored number is multiplied by.
        turns: draw a rotation for each class.

    Raises:
        ConfigError: too few classes, too few samples of each, or images that are not square.
    """

    stored: Tensor
    size: EpisodeShape
    scale: float = 1.0
    turns: bool = False

    def __post_init__(self) -> None:
        classes, samples = self.stored.shape[:2]
        for name, wanted, given in (
            ("ways and others", self.size.ways + self.size.others, classes),
            ("shots and queries", self.size.shots + self.size.queries, samples),
        ):
            if wanted > given:
                what = "classes" if given == classes and name.startswith("ways") else "samples of each class"
                raise ConfigError(f"{name}: {wanted} {what} in a problem, but there are {given} to draw from.")
        if self.stored.ndim != 5 or self.stored.shape[-1] != self.stored.shape[-2]:
            raise ConfigError(
                f"stored: expected square images (classes, samples, channels, side, side), "
                f"got {tuple(self.stored.shape)}."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image, ``(channels, side, side)``."""
        return tuple(self.stored.shape[2:])

    def sample(self, size: int, *, generator: torch.Generator) -> Episode:
        """Some problems, without a loop over them.

        Args:
            size: how many.
            generator: decides classes, their labels and rotations, and samples.
        """
        ways, shots, device = self.size.ways, self.size.shots, self.stored.device
        classes = _distinct(size, len(self.stored), ways + self.size.others, generator)
        samples = _distinct(classes.numel(), self.stored.shape[1], shots + self.size.queries, generator)
        samples = samples.view(*classes.shape, shots + self.size.queries)
        images = self.stored[classes.unsqueeze(-1).to(device), samples.to(device)]
        if self.turns:
            turns = torch.randint(4, classes.shape, generator=generator, device=generator.device).to(device)
            images = _turned(images, turns)
        images = images.to(torch.float32) * self.scale
        known, others = images[:, :ways], images[:, ways:]
        return Episode(support=known[:, :, :shots], query=known[:, :, shots:], others=others[:, :, shots:])

    def to(self, device: torch.device | str) -> "Episodes":
        """The same classes on another device."""
        return replace(self, stored=self.stored.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FewShot:
    """Problems of three kinds, no two of which share a class.

    Args:
        name: for tables and figures.
        train: what is learnt from.
        validation: what settings are chosen on.
        test: what is reported.
        tests: how many problems of the last two are measured, 2 at least.

    Raises:
        ConfigError: too few tests for an interval.
    """

    name: str
    train: Episodes
    validation: Episodes
    test: Episodes
    tests: int = 600

    def __post_init__(self) -> None:
        if self.tests < 2:
            raise ConfigError(f"tests: expected 2 or more, since one has no interval, got {self.tests}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image, ``(channels, side, side)``."""
        return self.train.shape

    def to(self, device: torch.device | str) -> "FewShot":
        """The same problems on another device."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )


def _labels(samples: Tensor) -> Tensor:
    problems, ways, each = samples.shape[:3]
    return torch.arange(ways, device=samples.device)[:, None].expand(problems, ways, each)


def _distinct(rows: int, among: int, number: int, generator: torch.Generator) -> Tensor:
    """So many different numbers below another in each row, in random order."""
    return torch.rand(rows, among, generator=generator, device=generator.device).argsort(-1)[:, :number]


def _turned(images: Tensor, turns: Tensor) -> Tensor:
    """Each class turned by its own number of quarters, by reading its pixels in another order."""
    side = images.shape[-1]
    pixels = torch.arange(side * side, device=images.device).view(side, side)
    orders = torch.stack([pixels.rot90(quarters).flatten() for quarters in range(4)])[turns]
    flat = images.flatten(-2)
    return flat.gather(-1, orders[:, :, None, None].expand(flat.shape)).view(images.shape)
