"""Tasks of GLUE that are small enough to be at hand, and MNLI by genre."""

import gzip
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final

from hyperdnn.lab.data._fetch import path

__all__ = ["GLUE", "Rows"]

Rows = Sequence[tuple[str, int]]
"""Texts of one part of a set, and the class of each."""

_GENRES: Final = ("fiction", "government", "slate", "telephone", "travel")
_ENTAILED: Final = ("not_entailment", "entailment")


def _cola() -> list[Rows]:
    """Training, and both development sets, of the sources of training and of others."""
    parts = ("in_domain_train", "in_domain_dev", "out_of_domain_dev")
    with zipfile.ZipFile(path("glue_small", "cola_public.zip")) as archive:
        tables = [_table(archive.read(f"cola_public/raw/{part}.tsv")) for part in parts]
    train, known, other = ([(sentence, int(label)) for _, label, _, sentence in table] for table in tables)
    return [train, known + other]


def _rte() -> list[Rows]:
    with zipfile.ZipFile(path("glue_small", "glue_rte_wnli_sst2.zip")) as archive:
        parts = [_table(archive.read(f"RTE/{part}.tsv"))[1:] for part in ("train", "dev")]
    return [[(_pair(one, other), _ENTAILED.index(label)) for _, one, other, label in part] for part in parts]


def _mnli(genre: str) -> list[Rows]:
    rows = [row for row in _pairs() if row["domain"] == genre]
    return [
        [(_pair(row["premise"], row["hypothesis"]), row["label"]) for row in rows if row["split"] == part]
        for part in ("train", "dev", "test")
    ]


@cache
def _pairs() -> list[dict[str, Any]]:
    with gzip.open(path("mnli_5domains", "mnli_5domains.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _pair(premise: str, hypothesis: str) -> str:
    """Two sentences as one text; the one that is asked about stands in front, where nothing is cut off."""
    return f"hypothesis: {hypothesis.strip()} premise: {premise.strip()}"


def _table(file: bytes) -> list[list[str]]:
    """Lines of cells; a quotation mark is one."""
    return [line.split("\t") for line in file.decode().split("\n") if line]


GLUE: Final[Mapping[str, Callable[[], list[Rows]]]] = MappingProxyType(
    {"cola": _cola, "rte": _rte, **{f"mnli_{genre}": partial(_mnli, genre) for genre in _GENRES}}
)
"""Name of a set -> what reads its parts: those to train, to validate (where published) and to test on."""
