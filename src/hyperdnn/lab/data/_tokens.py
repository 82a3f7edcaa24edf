"""Texts as numbers of tokens, and batches of them, each of one task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Batch
from hyperdnn.lab.data._sentences import SentenceSet
from hyperdnn.lab.data._vocabulary import PADDING, Vocabulary

__all__ = ["TaskMixture", "TokenTask", "Tokens", "packed"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Tokens:
    """Texts with targets: one part of a task. A batch is as wide as its longest text.

    Args:
        stored: numbers of tokens, ``(texts, length)``, `PADDING` behind the end.
        targets: one for each text.
        context: the index of the task.
    """

    stored: Int[Tensor, "texts length"]
    targets: Tensor
    context: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: slice | Tensor) -> Batch:
        """The texts of a slice or of an index tensor."""
        rows = self.stored[index]
        width = max(int((rows != PADDING).sum(1).max()), 1) if len(rows) else 1
        context = torch.tensor(self.context, device=self.stored.device)
        return Batch(context=context, inputs=rows[:, :width].long(), targets=self.targets[index], total=len(self))

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """A random batch, drawn with replacement."""
        index = torch.randint(len(self), (size,), generator=generator, device=generator.device)
        return self[index.to(self.stored.device)]

    def batches(self, size: int) -> Iterator[Batch]:
        """One pass over all texts, short ones first, so that little is padded."""
        order = (self.stored != PADDING).sum(1).argsort(stable=True)
        yield from (self[order[start : start + size]] for start in range(0, len(self), size))

    def to(self, device: torch.device | str) -> "Tokens":
        """The same texts on another device."""
        return replace(self, stored=self.stored.to(device), targets=self.targets.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TokenTask:
    """A problem: texts in three parts.

    Args:
        name: for tables and figures.
        train: what is learnt from.
        validation: what settings are chosen on.
        test: what is reported.
        classes: how many.
        scarce: whether few texts are there to learn from.
    """

    name: str
    train: Tokens
    validation: Tokens
    test: Tokens
    classes: int
    scarce: bool = False

    @classmethod
    def of(cls, sentences: SentenceSet, pieces: Vocabulary, *, length: int, context: int) -> "TokenTask":
        """A set of sentences in numbers.

        Args:
            sentences: the set.
            pieces: what numbers stand for.
            length: pieces of a text that are kept.
            context: the index of the task.
        """
        train, validation, test = (
            Tokens(stored=pieces.encode(part.texts, length), targets=torch.tensor(part.labels), context=context)
            for part in (sentences.train, sentences.validation, sentences.test)
        )
        return cls(name=sentences.name, train=train, validation=validation, test=test, classes=sentences.classes)

    def few(self, texts: int, *, generator: torch.Generator) -> "TokenTask":
        """The same task with so many of its texts, drawn at random, to learn from."""
        index = torch.randperm(len(self.train), generator=generator)[:texts].to(self.train.stored.device)
        train = replace(self.train, stored=self.train.stored[index], targets=self.train.targets[index])
        return replace(self, train=train)

    def to(self, device: torch.device | str) -> "TokenTask":
        """The same task on another device."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **parts)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TaskMixture:
    """Several tasks that are learnt together: each batch is of one of them, drawn by its size.

    A task of ``n`` texts is drawn with a probability that is proportional to ``min(n, cap) ** (1 / temperature)``: at
    temperature 1 as often as its texts ask for, far above it as often as any other.

    Args:
        tasks: whose ``context`` is their place.
        temperature: 1 or more.
        cap: sizes above count as this; None for no such bound.

    Raises:
        ConfigError: no task, a task without texts to learn from, or a temperature below 1.

    Source:
        Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text transformer", JMLR 21,
        2020, section 3.5.2.
    """

    tasks: tuple[TokenTask, ...]
    temperature: float = 10.0
    cap: int | None = None

    def __post_init__(self) -> None:
        if not self.tasks or not all(len(task.train) for task in self.tasks):
            raise ConfigError("TaskMixture: expected tasks, each with texts to learn from.")
        if not self.temperature >= 1:
            raise ConfigError(f"TaskMixture: expected a temperature of 1 or more, got {self.temperature}.")

    @property
    def train(self) -> "TaskMixture":
        """What batches are drawn from."""
        return self

    @property
    def shares(self) -> Tensor:
        """How often each task is drawn."""
        sizes = [len(task.train) if self.cap is None else min(len(task.train), self.cap) for task in self.tasks]
        rates = torch.tensor(sizes, dtype=torch.float64).pow(1 / self.temperature)
        return rates / rates.sum()

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """A batch of one task, which is drawn first."""
        task = int(torch.multinomial(self.shares, 1, generator=generator))
        return self.tasks[task].train.sample(size, generator=generator)

    def to(self, device: torch.device | str) -> "TaskMixture":
        """The same tasks on another device."""
        return replace(self, tasks=tuple(task.to(device) for task in self.tasks))


def packed(rows: Sequence[Sequence[int]], length: int) -> Int[Tensor, "rows length"]:
    """Texts one behind the other, cut into rows of equal length; what is left at the end is dropped.

    Args:
        rows: numbers of tokens of each text.
        length: of a row.
    """
    flat = torch.tensor([number for row in rows for number in row], dtype=torch.int32)
    return flat[: len(flat) // length * length].view(-1, length)
