import copy
import json
from typing import TypeAlias

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hyperdnn import layout
from hyperdnn.bodies import Graph
from hyperdnn.errors import ConfigError

DIAMOND = layout.Graph(5, ((0, 1), (0, 2), (1, 3), (2, 3), (0, 3)))
"""Two ways and a shortcut, and a node apart."""


def one_by_one(body: Graph, rows: Tensor, graph: layout.Graph) -> Tensor:
    """The publications' loop over nodes, with torch's own cell."""
    cell = nn.GRUCell(body.hidden, body.hidden, dtype=rows.dtype)
    with torch.no_grad():
        cell.weight_ih.copy_(body.hear.weight)
        cell.bias_ih.copy_(body.hear.bias)
        cell.weight_hh.copy_(body.keep.weight)
        cell.bias_hh.zero_()
    states = list(body.enter(rows))
    found = graph.distances(body.virtual)
    for _ in range(body.rounds):
        for order, heard in (
            (range(graph.num_nodes), [(to, start, far) for start, to, far in found]),
            (reversed(range(graph.num_nodes)), found),
        ):
            for node in order:
                message, squares = torch.zeros_like(states[node]), 0.0
                for to, start, far in heard:
                    if to == node:
                        tell = body.tell if far == 1 else body.tell_far
                        message = message + tell(states[start]) / far
                        squares += far**-2
                states[node] = cell(message / (squares**0.5 or 1.0), states[node])
    return body.norm(torch.stack(states))


Plain: TypeAlias = tuple[int, tuple[tuple[int, int], ...]]


@st.composite
def graphs(draw: st.DrawFn) -> Plain:
    nodes = draw(st.integers(1, 7))
    pairs = [(i, j) for j in range(nodes) for i in range(j)]
    return nodes, tuple(draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else ())


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(1, 2), st.sampled_from([1, 2, 50]))
def test_levels_at_once_are_nodes_one_by_one(plain: Plain, rounds: int, virtual: int) -> None:
    graph = layout.Graph(*plain)
    body = Graph(3, 4, graph, rounds=rounds, virtual=virtual, dtype=torch.float64)
    rows = torch.randn(graph.num_nodes, 3, dtype=torch.float64)
    torch.testing.assert_close(body(rows), one_by_one(body, rows, graph))


@settings(max_examples=20, deadline=None)
@given(st.lists(graphs(), min_size=1, max_size=4))
def test_a_union_is_its_graphs_side_by_side(plain: list[Plain]) -> None:
    parts = [layout.Graph(*one) for one in plain]
    body = Graph(3, 4, dtype=torch.float64)
    rows = [torch.randn(2, graph.num_nodes, 3, dtype=torch.float64) for graph in parts]
    together = body.propagate(torch.cat(rows, dim=-2), layout.Graph.union(parts))
    alone = [body.propagate(one, graph) for one, graph in zip(rows, parts, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone, dim=-2))


def test_its_own_graph_or_one_that_comes_with_the_call() -> None:
    body, rows = Graph(3, 4, DIAMOND), torch.randn(2, 5, 3)
    torch.testing.assert_close(body(rows), body.propagate(rows, DIAMOND), rtol=0, atol=0)
    assert not torch.allclose(body(rows), body.propagate(rows, layout.Graph.chain(5)), atol=1e-3)


def test_one_round_carries_news_as_far_as_there_is_a_path() -> None:
    body, rows = Graph(3, 8, layout.Graph(5, ((0, 1), (1, 2), (2, 3))), virtual=1), torch.randn(5, 3)
    for node, reached in ((0, {0, 1, 2, 3}), (2, {0, 1, 2, 3}), (4, {4})):
        other = rows.clone()
        other[node] += 1
        moved = (body(other) - body(rows)).abs().amax(-1)
        assert {i for i, by in enumerate(moved.tolist()) if by > 0} == reached


def test_steps_are_as_many_as_the_longest_path() -> None:
    body = Graph(3, 4)
    calls = []
    body.hear.register_forward_hook(lambda *_: calls.append(1))
    union = layout.Graph.union([layout.Graph.chain(n) for n in range(1, 11)] * 4)
    body.propagate(torch.randn(union.num_nodes, 3), union)
    assert len(calls) == 2 * 10


@pytest.mark.parametrize("degree", [1, 100])
def test_gates_start_open_whatever_the_degree(degree: int) -> None:
    torch.manual_seed(0)
    star = layout.Graph(degree + 1, tuple((i, degree) for i in range(degree)))
    body, seen = Graph(16, 64, star), []
    body.hear.register_forward_hook(lambda _, given, gates: seen.append(given[0][..., -1, :]))
    out = body(torch.randn(20, degree + 1, 16))
    assert 0.2 < seen[1].square().mean().item() < 10
    assert out.square().mean(-1).amin().item() == pytest.approx(1, rel=0.01)


def test_nodes_of_a_deep_graph_stay_apart() -> None:
    torch.manual_seed(0)
    out = Graph(16, 64, layout.Graph.chain(40))(torch.randn(40, 16))
    likeness = nn.functional.cosine_similarity(out[:, None], out[None], dim=-1).fill_diagonal_(0)
    assert likeness.abs().mean() < 0.5


def test_no_nodes_no_rows() -> None:
    assert Graph(3, 4, layout.Graph(0))(torch.randn(2, 0, 3)).shape == (2, 0, 4)


def test_it_runs_under_vmap_and_differentiates_twice() -> None:
    body = Graph(2, 3, DIAMOND).double()
    rows = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    weights = {name: torch.stack([p, 2 * p]) for name, p in body.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(body, w, (rows,)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(body, {name: w[i] for name, w in weights.items()}, (rows,))
        torch.testing.assert_close(mapped[i], alone)
    torch.testing.assert_close(torch.vmap(body)(rows), body(rows))
    assert torch.autograd.gradcheck(body, (rows,), fast_mode=True)
    assert torch.autograd.gradgradcheck(body, (rows,), fast_mode=True)


def test_it_is_saved_as_plain_values() -> None:
    body, rows = Graph(3, 4, DIAMOND), torch.randn(5, 3)
    again = Graph(3, 4, json.loads(json.dumps(body.graph)))
    again.load_state_dict(body.state_dict())
    assert again.graph == body.graph
    torch.testing.assert_close(again(rows), body(rows), rtol=0, atol=0)
    assert copy.deepcopy(body).bfloat16()(rows.bfloat16()).dtype == torch.bfloat16


def test_it_can_be_made_where_nothing_is_real() -> None:
    with torch.device("meta"):
        body = Graph(3, 4, DIAMOND)
    assert all(tensor.is_meta for tensor in body.parameters())
    body = body.to_empty(device="cpu")
    made = Graph(3, 4, DIAMOND)
    body.load_state_dict(made.state_dict())
    rows = torch.randn(5, 3)
    torch.testing.assert_close(body(rows), made(rows))


def test_under_autocast_it_keeps_running() -> None:
    body = Graph(3, 4, DIAMOND)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert body(torch.randn(5, 3)).isfinite().all()


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"at least 1, got rounds=0, virtual=50"):
        Graph(3, 4, rounds=0)
    with pytest.raises(ConfigError, match=r"at least 1, got rounds=1, virtual=0"):
        Graph(3, 4, virtual=0)
    with pytest.raises(ConfigError, match=r"one row for each of 5 nodes, .*got \(2, 4, 3\)"):
        Graph(3, 4, DIAMOND)(torch.randn(2, 4, 3))
    with pytest.raises(ConfigError, match=r"pass Graph\(\.\.\., graph=\.\.\.\), or call propagate"):
        Graph(3, 4)(torch.randn(5, 3))
    with pytest.raises(ConfigError, match=r"one row for each of 5 nodes, .*got \(3,\)"):
        Graph(3, 4).propagate(torch.randn(3), DIAMOND)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    architecture = layout.Architecture.of(nn.Linear(2, 3))
    with pytest.raises(ConfigError, match=r"got Architecture\. Of an Architecture pass architecture\.graph"):
        Graph(3, 4, architecture)
    with pytest.raises(ConfigError, match=r"expected a layout\.Graph or \(num_nodes, edges\), got list"):
        Graph(3, 4, [3])
