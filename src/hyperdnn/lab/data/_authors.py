"""Who speaks: characters of plays, and sentences of one class in sets for classification."""

import gzip
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.data._descriptions import describing
from hyperdnn.lab.data._fetch import path
from hyperdnn.lab.data._sentences import sentence_set
from hyperdnn.lab.data._voices import Voices, VoiceShape, VoiceTexts

__all__ = ["voices"]

_SYMBOLS: Final = "\n" + "".join(map(chr, range(ord(" "), ord("~") + 1)))
_POOL: Final = 80  # a voice's first lines, from which it is described and on which nothing else is done
_MOST: Final = 24_000  # characters of one voice
_OWN: Final = 0.6  # the part of a voice's text that a network of its own may learn from, if it is new to the others
_SPEAKERS: Final = 36
_TEST: Final = (2, 5)  # of every eight voices of a source
_VALIDATION: Final = 7
_SETS: Final = ("trec", "cr", "mpqa", "sst2", "subj")
_FEWEST: Final = 20_000  # characters of a class of sentences


class _Authors(NamedTuple):
    """The lines of each voice, by source and name, and a text that is none of theirs."""

    sources: Sequence[Mapping[str, Sequence[str]]]
    other: str


@cache
def voices(name: str, shape: VoiceShape, *, everyone: bool = False) -> Voices:
    """Voices by name: "plays_and_sentences", or "drawn", which need no files.

    The first are the 36 characters with most lines in tiny Shakespeare and 13 kinds of sentences: questions about five
    kinds of things, opinions on products, for and against, short phrases of opinion, reviews of films, for and against,
    and of films again what is plot and what is opinion. Of every eight voices of a source two are for tests and one for
    validation. The base has read Plato's Republic.

    A voice is described by its first 80 lines, which serve for nothing else: one that is trained on by random choices
    among them, a new one by lines that are evenly spread. The first six tenths of a new voice's text are for networks
    of its own, which others are compared with.

    Args:
        name: which.
        shape: of passages and descriptions.
        everyone: put all voices among those that are trained on, the new ones with the text for networks of their own.

    Raises:
        ConfigError: an unknown name, or texts that are too short for this shape.
        DataError: files that are absent or damaged.
        MissingExtraError: scikit-learn is not installed.
    """
    if name not in _READERS:
        raise ConfigError(f"there are no voices '{name}'.{nearest(name, _READERS)}")
    if shape.lines > _POOL:
        raise ConfigError(f"lines: voices are described by their first {_POOL}, got {shape.lines}.")
    read = _READERS[name]()
    lines = {who: _most(said) for source in read.sources for who, said in source.items()}
    roles = [role for source in read.sources for role in _roles(source)]
    known, chosen, new = ([who for who, role in zip(lines, roles, strict=True) if role == part] for part in range(3))
    described = {who: said[:_POOL] for who, said in lines.items()}
    texts = {who: "\n".join(said[_POOL:]) for who, said in lines.items()}
    describe = describing([one for who in known for one in _documents(texts[who], shape.lines)], shape.features)
    names, cut = known + chosen + new, {who: int(_OWN * len(texts[who])) for who in chosen + new}

    def group(members: Sequence[str], said: Callable[[str], str], *, drawn: int) -> VoiceTexts:
        choices = [one for who in members for one in _chosen(described[who], shape.lines, drawn)]
        stored = [_numbers(said(who)) for who in members]
        return VoiceTexts(
            voices=torch.tensor([names.index(who) for who in members]),
            descriptions=describe(choices).view(len(members), drawn, shape.features),
            stored=torch.cat(stored),
            lengths=torch.tensor([len(one) for one in stored]),
            shape=shape,
        )

    other = _numbers(read.other)
    return Voices(
        name=name,
        names=tuple(names),
        symbols=_SYMBOLS,
        base=VoiceTexts(
            voices=torch.tensor([len(names)]),
            descriptions=torch.zeros(1, 1, shape.features),
            stored=other,
            lengths=torch.tensor([len(other)]),
            shape=shape,
        ),
        train=group(names if everyone else known, lambda who: texts[who][: cut.get(who)], drawn=shape.drawn),
        validation=group(chosen, lambda who: texts[who][cut[who] :], drawn=1),
        test=group(new, lambda who: texts[who][cut[who] :], drawn=1),
    )


def _roles(source: Mapping[str, object]) -> list[int]:
    """0 to train on, 1 to validate and 2 to test."""
    return [2 if place % 8 in _TEST else 1 if place % 8 == _VALIDATION else 0 for place in range(len(source))]


def _most(lines: Sequence[str]) -> list[str]:
    """The first lines, up to a bound on their characters."""
    kept, length = [], 0
    for line in lines:
        length += len(line) + 1
        if length > _MOST:
            break
        kept.append(line)
    return kept


def _documents(text: str, lines: int) -> Iterator[str]:
    """A text in pieces of so many lines."""
    every = text.split("\n")
    return ("\n".join(every[start : start + lines]) for start in range(0, len(every) - lines + 1, lines))


def _chosen(pool: Sequence[str], lines: int, drawn: int) -> list[str]:
    """So many choices among some lines; a single one is spread evenly over them."""
    if drawn == 1:
        return ["\n".join(pool[place * len(pool) // lines] for place in range(lines))]
    generator = random.Random(0)
    return ["\n".join(generator.sample(pool, lines)) for _ in range(drawn)]


def _numbers(text: str) -> Tensor:
    """The symbols' numbers; what is none of them counts as a question mark."""
    known = {symbol: number for number, symbol in enumerate(_SYMBOLS)}
    return torch.tensor([known.get(symbol, known["?"]) for symbol in text], dtype=torch.int32)


def _plays_and_sentences() -> _Authors:
    spoken = _speakers(gzip.decompress(path("tiny_shakespeare", "input.txt.gz").read_bytes()).decode())
    frequent = sorted(spoken, key=lambda who: -sum(map(len, spoken[who])))[:_SPEAKERS]
    return _Authors([{who: spoken[who] for who in frequent}, _sentences()], _republic())


def _republic() -> str:
    """Plato's Republic in Jowett's translation, with his introduction and without Project Gutenberg's licence."""
    text = gzip.decompress(path("text_republic", "republic.txt.gz").read_bytes()).decode("utf-8-sig")
    begin, end = (text.index(f"*** {mark} OF TH") for mark in ("START", "END"))
    return text[text.index("\n", begin) : end].replace("\r", "").strip()


def _speakers(play: str) -> dict[str, list[str]]:
    """The lines of each character; a speech is its name, a colon and lines up to an empty one."""
    spoken: dict[str, list[str]] = {}
    for speech in play.split("\n\n"):
        who, _, said = speech.strip("\n").partition(":\n")
        spoken.setdefault(who, []).extend(said.split("\n"))
    return spoken


def _sentences() -> dict[str, list[str]]:
    """The sentences of each class of each set, in random order; one that is in two of them belongs to the first."""
    classes: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name in _SETS:
        part = sentence_set(name).train
        for text, label in zip(part.texts, part.labels, strict=True):
            letters = "".join(filter(str.isalnum, text)).lower()  # sets differ in what they do with marks
            if letters not in seen:
                classes.setdefault(f"{name} {label}", []).append(text)
            seen.add(letters)
    kept = {name: said for name, said in classes.items() if sum(map(len, said)) >= _FEWEST}
    return {name: random.Random(0).sample(said, len(said)) for name, said in sorted(kept.items())}


def _drawn() -> _Authors:
    """Sentences of sixteen voices, each of which prefers some words."""
    words = ["above", "and", "bright", "dark", "hill", "moon", "river", "shines", "sleeps", "the", "under", "water"]
    generator = random.Random(0)

    def said(weights: Sequence[float], lines: int) -> list[str]:
        return [" ".join(generator.choices(words, weights, k=4)) for _ in range(lines)]

    weights = {
        f"voice {k}": [4.0 if (place + k) % len(words) < 4 else 0.2 for place in range(len(words))] for k in range(16)
    }
    return _Authors([{who: said(one, 160) for who, one in weights.items()}], "\n".join(said([1.0] * len(words), 100)))


_READERS: Final[Mapping[str, Callable[[], _Authors]]] = MappingProxyType(
    {"plays_and_sentences": _plays_and_sentences, "drawn": _drawn}
)
