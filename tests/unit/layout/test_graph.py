import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperdnn.errors import LayoutError
from hyperdnn.layout import Graph

cells = st.lists(st.lists(st.booleans(), max_size=6), max_size=7)
"""Whether the node of this row feeds the one of that column."""


def make(rows: list[list[bool]]) -> Graph:
    edges = ((i, j) for i, row in enumerate(rows) for j, there in enumerate(row) if there and i < j < len(rows))
    return Graph(len(rows), tuple(edges))


def reference(graph: Graph, limit: int) -> set[tuple[int, int, int]]:
    """All lengths by relaxing every edge again and again."""
    far = 10**6
    length = {(i, j): far for i in range(graph.num_nodes) for j in range(graph.num_nodes)}
    length |= dict.fromkeys(graph.edges, 1)
    for k in range(graph.num_nodes):
        for i, j in length:
            length[i, j] = min(length[i, j], length[i, k] + length[k, j])
    return {(i, j, steps) for (i, j), steps in length.items() if steps <= limit}


def test_a_chain() -> None:
    assert Graph.chain(3) == Graph(3, ((0, 1), (1, 2)))
    assert Graph.chain(1).edges == Graph.chain(0).edges == ()


@given(cells, st.integers(0, 8))
def test_distances_are_those_of_the_shortest_paths(rows: list[list[bool]], limit: int) -> None:
    graph = make(rows)
    found = graph.distances(limit)
    assert set(found) == reference(graph, limit)
    assert list(found) == sorted(found)


@given(st.lists(cells, max_size=4))
def test_a_union_keeps_each_graph_apart(several: list[list[list[bool]]]) -> None:
    parts = [make(rows) for rows in several]
    union = Graph.union(parts)
    assert union.num_nodes == sum(part.num_nodes for part in parts)
    start, expected = 0, []
    for part in parts:
        expected += [(i + start, j + start, steps) for i, j, steps in part.distances(9)]
        start += part.num_nodes
    assert list(union.distances(9)) == expected


def test_it_is_a_value() -> None:
    graph = Graph.chain(4)
    assert {graph: 1}[Graph.chain(4)] == 1
    assert pickle.loads(pickle.dumps(graph)) == graph


@pytest.mark.parametrize("edge", [(1, 1), (2, 1), (-1, 1), (0, 3)])
def test_an_edge_leads_to_a_later_node(edge: tuple[int, int]) -> None:
    with pytest.raises(LayoutError, match=r"expected from < to, both between 0 and 2\. Number the nodes in the order"):
        Graph(3, (edge,))


def test_no_edge_comes_twice() -> None:
    with pytest.raises(LayoutError, match=r"edge \(0, 1\) comes twice"):
        Graph(3, ((0, 1), (1, 2), (0, 1)))


def test_there_are_no_fewer_than_no_nodes() -> None:
    with pytest.raises(LayoutError, match="a graph of -1 nodes"):
        Graph(-1)
