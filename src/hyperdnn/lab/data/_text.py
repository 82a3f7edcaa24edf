"""Texts that are read character by character, in several places at once."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Int
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._fetch import path

__all__ = ["Corpus", "Segment", "Streams", "Text", "drawn_text", "tiny_shakespeare"]

_WORDS: Final = ("above", "and", "bright", "dark", "hill", "moon", "river", "shines", "sleeps", "the", "under", "water")
_HELD_BACK: Final = 20  # one part of so many validates, another one tests


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """Successive characters of each stream, and those that follow them.

    Args:
        inputs: numbers of symbols, ``(steps, streams)``.
        targets: the next character after each of them, in the same shape.
        first: whether the streams begin here, so that nothing has been read before.
    """

    inputs: Int[Tensor, "steps streams"]
    targets: Int[Tensor, "steps streams"]
    first: bool


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Streams:
    """A text in pieces of equal length that are read side by side, a segment at a time.

    Where reading is follows from the number of the segment alone: a run that is resumed finds its place by its step.

    Args:
        rows: numbers of symbols, ``(length, streams)``; a stream goes on where the one before it ends.
    """

    rows: Int[Tensor, "length streams"]

    def count(self, steps: int) -> int:
        """Segments of so many characters in each stream; the last one may be shorter."""
        return -(-(len(self.rows) - 1) // steps)

    def segment(self, index: int, *, steps: int) -> Segment:
        """The segment with that number; after the last one the text begins again.

        Args:
            index: from 0.
            steps: characters in a segment.
        """
        place = index % self.count(steps)
        rows = self.rows[place * steps : (place + 1) * steps + 1].long()
        return Segment(inputs=rows[:-1], targets=rows[1:], first=place == 0)

    def segments(self, steps: int) -> Iterator[Segment]:
        """All of them, once."""
        return (self.segment(index, steps=steps) for index in range(self.count(steps)))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Text:
    """One part of a corpus.

    Args:
        stored: the symbols' numbers, ``(characters,)``.
    """

    stored: Int[Tensor, " characters"]

    def __len__(self) -> int:
        return len(self.stored)

    def streams(self, number: int) -> Streams:
        """All of it, in pieces of equal length; what is left over, less than one character for each, is left out.

        Raises:
            ConfigError: pieces of less than two characters, in which nothing can be predicted.
        """
        length = len(self) // number
        if length < 2:
            raise ConfigError(
                f"streams: {len(self)} characters make no {number} streams of two or more. Take fewer streams, or a "
                "longer text."
            )
        return Streams(rows=self.stored[: length * number].view(number, length).t())

    def sample(self, size: int, *, generator: torch.Generator) -> Streams:
        """So many streams, as `fit` asks for a batch. Nothing is drawn: which segment it is, the step's number says."""
        return self.streams(size)

    def to(self, device: torch.device | str) -> "Text":
        """The same text on another device."""
        return Text(stored=self.stored.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """A text in three parts, which follow each other.

    Args:
        name: for tables and figures.
        train: what is learnt from.
        validation: what settings are chosen on.
        test: what is reported.
        symbols: all characters that occur; a symbol's number is its place.
    """

    name: str
    train: Text
    validation: Text
    test: Text
    symbols: str

    def to(self, device: torch.device | str) -> "Corpus":
        """The same corpus on another device."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **parts)

    def spell(self, numbers: Sequence[int]) -> list[str]:
        """The characters of these numbers."""
        return [self.symbols[number] for number in numbers]


def tiny_shakespeare() -> Corpus:
    """1,115,394 characters of Shakespeare's plays in 65 symbols: nine tenths train, a twentieth each validate and test.

    Raises:
        DataError: files that are absent or damaged.

    Source:
        Karpathy, char-rnn, 2015.
    """
    return _corpus("tiny_shakespeare", gzip.decompress(path("tiny_shakespeare", "input.txt.gz").read_bytes()).decode())


def drawn_text(*, characters: int, seed: int) -> Corpus:
    """Sentences of random words, for trying things out: a word can be guessed from its beginning, the next one cannot.

    Args:
        characters: how many there are at least; a twentieth each validates and tests.
        seed: of the words.
    """
    generator = torch.Generator().manual_seed(seed)
    sentences, length = [], 0
    while length < characters:
        words = [_WORDS[int(k)] for k in torch.randint(len(_WORDS), (5,), generator=generator)]
        sentences.append(f"{' '.join(words).capitalize()}.\n")
        length += len(sentences[-1])
    return _corpus("drawn text", "".join(sentences))


def _corpus(name: str, text: str) -> Corpus:
    symbols = "".join(sorted(set(text)))
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    stored = torch.tensor([numbers[character] for character in text], dtype=torch.int32)
    held_back = len(text) // _HELD_BACK
    sizes = [len(text) - 2 * held_back, held_back, held_back]
    train, validation, test = (Text(stored=part) for part in torch.split(stored, sizes))
    return Corpus(name=name, train=train, validation=validation, test=test, symbols=symbols)
