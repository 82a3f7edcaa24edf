"""Sentences with classes: small sets that people compare ways of adapting language models on."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Final, final

import torch

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.data._fetch import path
from hyperdnn.lab.data._glue import GLUE, Rows

__all__ = ["SENTENCE_SETS", "SentenceSet", "Sentences", "sentence_set", "simulated_sentences"]

_TESTED, _VALIDATED = 5, 10  # one of so many tests, another one validates, where nobody has divided them


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sentences:
    """Texts, and the class of each.

    Args:
        texts: as published.
        labels: classes from 0.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SentenceSet:
    """A set of sentences in three parts; no text of training is in another part.

    Args:
        name: for tables and figures.
        train: what is learnt from.
        validation: what settings are chosen on.
        test: what is reported.
        classes: how many.
    """

    name: str
    train: Sentences
    validation: Sentences
    test: Sentences
    classes: int


def _kim(*files: str) -> list[Rows]:
    """Files of a line for each sentence, its class in front."""
    with zipfile.ZipFile(path("sentence_classification", "sentence_classification.zip")) as archive:
        lines = [archive.read(file).decode("latin-1").split("\n") for file in files]  # other line ends are text
    return [
        [(text.strip(), int(label)) for label, _, text in (one.partition(" ") for one in some) if text]
        for some in lines
    ]


def _ag_news() -> list[Rows]:
    with gzip.open(path("ag_news_test", "test.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        return [[(f"{title} . {body}".strip(), int(label) - 1) for label, title, body in csv.reader(file)]]


def _reviews(domain: str) -> list[Rows]:
    found = []
    with zipfile.ZipFile(path("amazon_blitzer", "blitzer_domains.zip")) as archive:
        for part in ("train", "dev"):
            text = archive.read(f"{domain}/{part}.tsv").decode()
            rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
            next(rows)  # the names of the columns
            found += [(" ".join(review.split()), int(label)) for review, label in rows]
    return [found]


_READERS: Final[Mapping[str, Callable[[], list[Rows]]]] = MappingProxyType(
    {
        "sst2": partial(_kim, "stsa.binary.train", "stsa.binary.dev", "stsa.binary.test"),
        "subj": partial(_kim, "subj.all"),
        "trec": partial(_kim, "TREC.train.all", "TREC.test.all"),
        "mpqa": partial(_kim, "mpqa.all"),
        "cr": partial(_kim, "custrev.all"),
        "ag_news": _ag_news,
        "books": partial(_reviews, "books"),
        "dvd": partial(_reviews, "dvd"),
        "electronics": partial(_reviews, "electronics"),
        "kitchen": partial(_reviews, "kitchen"),
        **GLUE,
    }
)

SENTENCE_SETS: Final = tuple(_READERS)


@cache
def sentence_set(name: str) -> SentenceSet:
    """One of 17 sets of sentences, or of pairs of them, in two to six classes.

    Whether films (``"sst2"``), goods (``"cr"``; reviews of ``"books"``, ``"dvd"``, ``"electronics"``, ``"kitchen"``) or
    people in the news (``"mpqa"``) are liked; whether a sentence tells or judges (``"subj"``); what a question asks for
    (``"trec"``) and what news are about (``"ag_news"``); whether one is grammatical (``"cola"``), whether one
    follows from another (``"rte"``), and whether it follows, contradicts or does neither (``"mnli_fiction"``,
    ``"mnli_government"``, ``"mnli_slate"``, ``"mnli_telephone"``, ``"mnli_travel"``, by where texts are from).

    A text that occurs twice counts once. Where a set is published in one part, a fifth tests and a tenth validates,
    divided once for all; where in two, a tenth of what is published for training validates. The second part of
    ``"cola"`` and ``"rte"`` is the development set, since GLUE keeps the classes of its test sets to itself.

    Args:
        name: one of `SENTENCE_SETS`.

    Raises:
        ConfigError: an unknown name.
        DataError: files that are absent or damaged.

    Source:
        Kim, "Convolutional neural networks for sentence classification", EMNLP 2014 (five sets); Zhang, Zhao & LeCun,
        "Character-level convolutional networks for text classification", NeurIPS 2015 (news, the test part only);
        Blitzer, Dredze & Pereira, "Biographies, Bollywood, boom-boxes and blenders", ACL 2007 (reviews);
        Wang et al., "GLUE: a multi-task benchmark and analysis platform for natural language understanding", ICLR 2019
        (``"cola"``, ``"rte"``); Williams, Nangia & Bowman, "A broad-coverage challenge corpus for sentence
        understanding through inference", NAACL 2018, in the sample of Ben-David, Oved & Reichart, "PADA: example-based
        prompt learning for on-the-fly adaptation to unseen domains", TACL 2022 (``"mnli_..."``).
    """
    if name not in _READERS:
        raise ConfigError(f"there is no set of sentences '{name}'.{nearest(name, _READERS)}")
    return _divided(name, _READERS[name]())


def simulated_sentences(name: str, sentences: int, *, seed: int) -> SentenceSet:
    """Sentences of made-up words, for trying things out: four words speak for one class, four for the other.

    Args:
        name: for tables and figures.
        sentences: how many.
        seed: of which words speak for what, and of the sentences.
    """
    generator = torch.Generator().manual_seed(seed)
    words = [a + b + c for a in "bdgklmnprst" for b in "aeiou" for c in ("n", "r", "l")]
    order = torch.randperm(len(words), generator=generator).tolist()
    telling = [[words[i] for i in order[:4]], [words[i] for i in order[4:8]]]
    rows = []
    for index in range(sentences):
        drawn = torch.randint(len(words), (5,), generator=generator).tolist()
        sentence = [words[i] for i in drawn]
        sentence[drawn[0] % 5] = telling[index % 2][drawn[1] % 4]
        rows.append((" ".join(sentence), index % 2))
    return _divided(name, [rows])


def _divided(name: str, parts: Sequence[Rows]) -> SentenceSet:
    """One part becomes three, two become three, three stay."""
    unique = [list(dict(reversed(part)).items()) for part in parts]
    order = torch.Generator().manual_seed(0)
    if len(unique) < 3:
        rows = [unique[0][i] for i in torch.randperm(len(unique[0]), generator=order).tolist()]
        tested = len(rows) // _TESTED if len(unique) == 1 else 0
        validated = len(rows) // _VALIDATED
        test = rows[:tested] if tested else unique[1]
        unique = [rows[tested + validated :], rows[tested : tested + validated], test]
    held_back = {text for part in unique[1:] for text, _ in part}
    unique[0] = [row for row in unique[0] if row[0] not in held_back]
    train, validation, test_part = (
        Sentences(texts=tuple(text for text, _ in part), labels=tuple(label for _, label in part)) for part in unique
    )
    classes = 1 + max(label for part in unique for _, label in part)
    return SentenceSet(name=name, train=train, validation=validation, test=test_part, classes=classes)
