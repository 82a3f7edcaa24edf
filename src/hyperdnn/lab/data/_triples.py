"""Knowledge graphs: triples of an entity, a relation and another entity, each of which is asked for."""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias, final

import torch
from jaxtyping import Integer
from torch import Tensor

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.data._batch import Batch
from hyperdnn.lab.data._fetch import DataError, path

__all__ = ["HeldOut", "KnowledgeGraph", "Queries", "knowledge_graph", "simulated_graph"]

_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kinship": "kinship.tar.gz",
        "umls": "umls.tar.gz",
        "wn18rr": "WN18RR.tar.gz",
        "fb15k_237": "FB15k-237.tar.gz",
    }
)
_PARTS: Final = ("train", "valid", "test")

Triples: TypeAlias = Integer[Tensor, "_ 3"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Pairs of an entity and a relation, each with all entities that answer it.

    Args:
        pairs: ``(queries, 2)``: entity and relation.
        starts: ``(queries + 1,)``: where each query's answers begin in `answers`, and where the last ones end.
        answers: entities, query by query.
        entities: how many there are.
    """

    pairs: Tensor
    starts: Tensor
    answers: Tensor
    entities: int

    @classmethod
    def of(cls, triples: Triples, entities: int) -> "Queries":
        """What triples answer, one query for each pair of entity and relation."""
        triples = torch.unique(triples, dim=0)  # also brings the answers of a query together
        pairs, counts = torch.unique_consecutive(triples[:, :2], dim=0, return_counts=True)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(pairs=pairs, starts=starts, answers=triples[:, 2].contiguous(), entities=entities)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: Tensor) -> Batch:
        """Some queries: the relation is the context, the entity the input, and the target is 1 at each answer."""
        starts = self.starts[index]
        counts = self.starts[index + 1] - starts
        rows = torch.arange(len(index), device=index.device).repeat_interleave(counts)
        offsets = torch.arange(len(rows), device=index.device) - (counts.cumsum(0) - counts)[rows]
        targets = torch.zeros(len(index), self.entities, device=index.device)
        targets[rows, self.answers[starts[rows] + offsets]] = 1.0
        entities, relations = self.pairs[index].unbind(-1)
        return Batch(context=relations, inputs=entities, targets=targets, total=len(self))

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """A random batch, drawn with replacement: the generator's state is all that a resumed run needs."""
        index = torch.randint(len(self), (size,), generator=generator, device=generator.device)
        return self[index.to(self.pairs.device)]

    def to(self, device: torch.device | str) -> "Queries":
        """The same queries on another device."""
        pairs, starts, answers = (tensor.to(device) for tensor in (self.pairs, self.starts, self.answers))
        return replace(self, pairs=pairs, starts=starts, answers=answers)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Triples that were not trained on, and all that is known, which their answers do not have to compete with.

    Args:
        triples: ``(triples, 3)``: entity, relation, answer.
        known: the queries of these triples and others.
        rows: ``(triples,)``: which of those queries each triple answers.
    """

    triples: Tensor
    known: Queries
    rows: Tensor

    @classmethod
    def of(cls, triples: Triples, known: Triples, entities: int) -> "HeldOut":
        """Triples among those that are known."""
        queries = Queries.of(torch.cat([known, triples]), entities)
        _, rows = torch.unique(torch.cat([queries.pairs, triples[:, :2]]), dim=0, return_inverse=True)
        return cls(triples=triples, known=queries, rows=rows[len(queries) :])

    def __len__(self) -> int:
        return len(self.triples)

    def batches(self, size: int) -> Iterator[tuple[Batch, Tensor]]:
        """One pass in order: queries, whose targets are 1 at every entity known to answer, and the answer asked for."""
        for rows, triples in zip(torch.split(self.rows, size), torch.split(self.triples, size), strict=True):
            yield self.known[rows], triples[:, 2]

    def to(self, device: torch.device | str) -> "HeldOut":
        """The same triples on another device."""
        return HeldOut(triples=self.triples.to(device), known=self.known.to(device), rows=self.rows.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class KnowledgeGraph:
    """Triples in three parts, each in both directions: relation ``r`` asks for tails, ``r + relations // 2`` for heads.

    Args:
        name: for tables and figures.
        entities: how many.
        relations: how many, the reciprocal ones among them.
        train: what is learnt from.
        validation: what settings are chosen on; nothing of the test part is known there.
        test: what is reported, all three parts being known.
    """

    name: str
    entities: int
    relations: int
    train: Queries
    validation: HeldOut
    test: HeldOut

    @classmethod
    def of(cls, name: str, parts: Sequence[Triples], *, entities: int, relations: int) -> "KnowledgeGraph":
        """A graph of three parts of triples ``(head, relation, tail)``, whose reciprocals are added here."""
        train, validation, test = (_both_ways(part, relations) for part in parts)
        return cls(
            name=name,
            entities=entities,
            relations=2 * relations,
            train=Queries.of(train, entities),
            validation=HeldOut.of(validation, train, entities),
            test=HeldOut.of(test, torch.cat([train, validation]), entities),
        )

    def to(self, device: torch.device | str) -> "KnowledgeGraph":
        """The same graph on another device."""
        train, validation, test = self.train.to(device), self.validation.to(device), self.test.to(device)
        return replace(self, train=train, validation=validation, test=test)


def knowledge_graph(name: str) -> KnowledgeGraph:
    """A published graph: "kinship" (104 entities), "umls" (135), "wn18rr" (40,943) or "fb15k_237" (14,541).

    Args:
        name: the data set.

    Raises:
        ConfigError: an unknown name.
        DataError: the archive is absent, damaged, or holds something else.

    Source:
        Dettmers, Minervini, Stenetorp & Riedel, "Convolutional 2D knowledge graph embeddings", AAAI 2018 (the archives
        and WN18RR); Toutanova & Chen, CVSC 2015 (FB15k-237); Kok & Domingos, ICML 2007 (Kinship, UMLS).
    """
    if name not in _FILES:
        raise ConfigError(f"there is no knowledge graph '{name}'.{nearest(name, _FILES)}")
    return _graph(name, path("knowledge_graphs", _FILES[name]))


def simulated_graph(entities: int, *, seed: int) -> KnowledgeGraph:
    """Entities in a circle: relations to the next one, to the one after it, and to all of the same parity.

    Args:
        entities: how many.
        seed: of the division into parts, 80 : 10 : 10.

    Raises:
        ConfigError: fewer than eight entities.
    """
    if entities < 8:
        raise ConfigError(f"entities: expected 8 or more, got {entities}.")
    heads, tails = torch.cartesian_prod(torch.arange(entities), torch.arange(entities)).unbind(-1)
    distance = (tails - heads) % entities
    holds = (distance == 1, distance == 2, ((heads - tails) % 2 == 0) & (distance > 0))
    found = [
        torch.stack([heads[where], torch.full_like(heads[where], relation), tails[where]], dim=-1)
        for relation, where in enumerate(holds)
    ]
    triples = torch.cat(found)
    triples = triples[torch.randperm(len(triples), generator=torch.Generator().manual_seed(seed))]
    ends = [round(share * len(triples)) for share in (0.8, 0.9)]
    return KnowledgeGraph.of("simulated", triples.tensor_split(ends), entities=entities, relations=len(holds))


@cache
def _graph(name: str, file: Path) -> KnowledgeGraph:
    parts = _read(file)
    every = [triple for part in _PARTS for triple in parts[part]]
    entities = {name: i for i, name in enumerate(sorted({name for head, _, tail in every for name in (head, tail)}))}
    relations = {name: i for i, name in enumerate(sorted({relation for _, relation, _ in every}))}
    numbered = [torch.tensor([[entities[h], relations[r], entities[t]] for h, r, t in parts[part]]) for part in _PARTS]
    return KnowledgeGraph.of(name, numbered, entities=len(entities), relations=len(relations))


def _read(file: Path) -> dict[str, list[list[str]]]:
    """Triples of names by part: each line of ``<part>.txt`` is head, relation and tail, between tabulators."""
    parts: dict[str, list[list[str]]] = {}
    with tarfile.open(file) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                parts[Path(member.name).stem] = [line.split("\t") for line in stream.read().decode().splitlines()]
    for part in _PARTS:
        if not parts.get(part) or any(len(triple) != 3 for triple in parts[part]):
            raise DataError(
                f"{file}: expected {part}.txt with head, relation and tail in each line, between tabulators."
            )
    return parts


def _both_ways(triples: Triples, relations: int) -> Triples:
    heads, names, tails = triples.unbind(-1)
    return torch.cat([triples, torch.stack([tails, names + relations, heads], dim=-1)])
