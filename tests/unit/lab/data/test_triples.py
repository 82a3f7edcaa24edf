import io
import tarfile
from pathlib import Path

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import (
    DataError,
    HeldOut,
    KnowledgeGraph,
    Queries,
    available,
    knowledge_graph,
    on_validation,
    simulated_graph,
)
from hyperdnn.lab.data import _triples as module

present = pytest.mark.skipif(not available("knowledge_graphs"), reason="graphs are not on this machine: HYPERDNN_DATA")


def _archive(folder: Path, **parts: str) -> Path:
    file = folder / "graph.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name, text in parts.items():
            member = tarfile.TarInfo(f"./{name}.txt")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


def _plain(known: torch.Tensor, entity: int, relation: int) -> set[int]:
    return {t for h, r, t in known.tolist() if (h, r) == (entity, relation)}


@present
@pytest.mark.parametrize(
    ("name", "entities", "relations", "train", "held_out"),
    [("kinship", 104, 25, 8544, (1068, 1074)), ("umls", 135, 46, 5216, (652, 661))],
)
def test_published_counts(name: str, entities: int, relations: int, train: int, held_out: tuple[int, int]) -> None:
    graph = knowledge_graph(name)
    assert (graph.entities, graph.relations) == (entities, 2 * relations)
    assert len(graph.train.answers) == 2 * train
    assert (len(graph.validation), len(graph.test)) == (2 * held_out[0], 2 * held_out[1])


@present
def test_a_triple_of_the_published_text() -> None:
    first = knowledge_graph("kinship").test.triples[0].tolist()
    people = sorted(f"person{i}" for i in range(104))
    terms = sorted(f"term{i}" for i in range(25))  # 'person84 term21 person85' is the first line of test.txt
    assert first == [people.index("person84"), terms.index("term21"), people.index("person85")]


def test_archives_are_read_with_names_in_order(tmp_path: Path) -> None:
    file = _archive(tmp_path, train="b\tr\ta\nc\tq\ta\n", valid="a\tr\tc\n", test="d\tq\ta\n")
    graph = module._graph("kinship", file)
    assert (graph.entities, graph.relations) == (4, 4)  # d stands in the test part only
    assert graph.test.triples.tolist() == [[3, 0, 0], [0, 2, 3]]


@pytest.mark.parametrize(
    "parts", [{"train": "a\tr\tb\n", "valid": "a\tr\n", "test": "b\tr\ta\n"}, {"train": "a\tr\tb"}]
)
def test_other_archives_are_refused(parts: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected valid\.txt with head, relation and tail"):
        module._read(_archive(tmp_path, **parts))


def test_an_unknown_graph_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no knowledge graph 'kinshp'\. Did you mean 'kinship'"):
        knowledge_graph("kinshp")


def test_targets_are_all_answers_to_a_query() -> None:
    triples = torch.tensor([[2, 0, 1], [0, 1, 3], [2, 0, 4], [2, 0, 1], [0, 0, 0]])
    queries = Queries.of(triples, entities=5)
    assert len(queries) == 3
    batch = queries[torch.tensor([2, 0, 2])]
    assert batch.inputs.tolist() == [2, 0, 2]
    assert batch.context.tolist() == [0, 0, 0]
    assert batch.total == 3
    assert batch.targets.tolist() == [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 1, 0, 0, 1]]
    empty = queries[torch.tensor([], dtype=torch.long)]
    assert empty.targets.shape == (0, 5)


def test_every_query_is_drawn_with_its_own_answers() -> None:
    graph = simulated_graph(11, seed=3)
    batch = graph.train.sample(200, generator=torch.Generator().manual_seed(0))
    again = graph.train.sample(200, generator=torch.Generator().manual_seed(0))
    assert again.targets.equal(batch.targets)
    ends = graph.train.starts.diff()
    triples = torch.cat([graph.train.pairs.repeat_interleave(ends, 0), graph.train.answers[:, None]], dim=-1)
    for entity, relation, row in zip(batch.inputs.tolist(), batch.context.tolist(), batch.targets, strict=True):
        assert set(row.nonzero().flatten().tolist()) == _plain(triples, entity, relation)


def test_reciprocal_relations_ask_for_heads() -> None:
    parts = [torch.tensor([[0, 1, 2]]), torch.tensor([[1, 0, 0]]), torch.tensor([[2, 0, 1]])]
    graph = KnowledgeGraph.of("three", parts, entities=3, relations=2)
    assert graph.relations == 4
    assert sorted(graph.train.pairs.tolist()) == [[0, 1], [2, 3]]
    assert graph.test.triples.tolist() == [[2, 0, 1], [1, 2, 2]]


def test_answers_compete_with_what_is_known_in_no_part() -> None:
    parts = [torch.tensor([[0, 0, 1]]), torch.tensor([[0, 0, 2]]), torch.tensor([[0, 0, 3], [4, 0, 1]])]
    graph = KnowledgeGraph.of("five", parts, entities=5, relations=1)
    (batch, answers), *_ = graph.test.batches(2)
    assert answers.tolist() == [3, 1]
    assert batch.targets[0].tolist() == [0, 1, 1, 1, 0]  # of training, validation and test
    assert batch.targets[1].tolist() == [0, 1, 0, 0, 0]
    (batch, answers), *_ = graph.validation.batches(2)
    assert batch.targets[0].tolist() == [0, 1, 1, 0, 0]  # the test part is not known yet


def test_held_out_triples_find_their_queries_in_any_order() -> None:
    graph = simulated_graph(12, seed=0)
    for part in (graph.validation, graph.test):
        batches = list(part.batches(7))
        assert torch.cat([answers for _, answers in batches]).equal(part.triples[:, 2])
        assert torch.cat([batch.inputs for batch, _ in batches]).equal(part.triples[:, 0])
        assert torch.cat([batch.context for batch, _ in batches]).equal(part.triples[:, 1])
        assert all(batch.targets.gather(1, answers[:, None]).all() for batch, answers in batches)


def test_tuning_sees_nothing_of_the_test_part() -> None:
    graph = simulated_graph(12, seed=0)
    tuned = on_validation(graph)
    assert isinstance(tuned.test, HeldOut)
    assert tuned.test is graph.validation
    known = {tuple(t) for t in graph.train.pairs.tolist()} | {tuple(t[:2]) for t in graph.validation.triples.tolist()}
    assert {tuple(pair) for pair in tuned.test.known.pairs.tolist()} == known


def test_the_simulated_graph_is_what_it_says() -> None:
    graph = simulated_graph(9, seed=0)
    assert graph.relations == 6
    counts = [len(graph.train.answers), len(graph.validation), len(graph.test)]
    assert sum(counts) == 2 * (9 + 9 + sum((a - b) % 2 == 0 and a != b for a in range(9) for b in range(9)))
    for head, relation, tail in graph.test.triples.tolist():
        distance = (tail - head) % 9 if relation < 3 else (head - tail) % 9
        assert relation % 3 == 2 or distance == relation % 3 + 1
    with pytest.raises(ConfigError, match="entities: expected 8 or more, got 7"):
        simulated_graph(7, seed=0)


def test_a_graph_moves_as_a_whole() -> None:
    moved = simulated_graph(8, seed=0).to("meta")
    tensors = (
        moved.train.pairs,
        moved.train.starts,
        moved.validation.triples,
        moved.test.rows,
        moved.test.known.answers,
    )
    assert all(tensor.is_meta for tensor in tensors)
