import pytest
import torch

from hyperdnn.encoders import Graph
from hyperdnn.errors import ConfigError, ContextError


@pytest.fixture
def encoder() -> Graph:
    return Graph(3, 5, hidden=8, layers=2, num_heads=2, dtype=torch.float64)


def example(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    nodes = torch.randn(*shape, 3, dtype=torch.float64)
    return nodes, (torch.rand(*shape, shape[-1], dtype=torch.float64) > 0.5).double()


def test_order_does_not_matter(encoder: Graph) -> None:
    nodes, edges = example(4, 6)
    order = torch.randperm(6)
    torch.testing.assert_close(encoder((nodes[:, order], edges[:, order][:, :, order])), encoder((nodes, edges)))


def test_edges_and_their_direction_matter(encoder: Graph) -> None:
    nodes, edges = example(6)
    assert not torch.allclose(encoder((nodes, edges)), encoder((nodes, torch.zeros_like(edges))), atol=1e-4)
    assert not torch.allclose(encoder((nodes, edges)), encoder((nodes, edges.mT)), atol=1e-4)


def test_a_layer_is_its_formula(encoder: Graph) -> None:
    nodes, edges = example(5)
    state, pooled = encoder.enter(nodes), []
    encoder.pool.register_forward_hook(lambda _, given, out: pooled.append(given[0]))
    encoder((nodes, edges))
    for mix in encoder.mix:
        rows = []
        for i in range(5):
            heard = sum(edges[j, i] * state[j] for j in range(5)) / (1 + sum(edges[j, i] ** 2 for j in range(5))) ** 0.5
            told = sum(edges[i, j] * state[j] for j in range(5)) / (1 + sum(edges[i, j] ** 2 for j in range(5))) ** 0.5
            rows.append(state[i] + torch.nn.functional.gelu(mix(torch.cat([state[i], heard, told]))) / 2)
        state = torch.stack(rows)
    torch.testing.assert_close(pooled[0], state)


@pytest.mark.parametrize("fill", [0.0, 1e30, float("nan")])
def test_padded_graphs_are_unpadded_ones(encoder: Graph, fill: float) -> None:
    nodes, edges = example(2, 6)
    mask = torch.tensor([[True, False, True, True, False, False], [True] * 6])
    both = mask[:, None] & mask[..., None]
    padded = (torch.where(mask[..., None], nodes, fill).requires_grad_(), torch.where(both, edges, fill), mask)
    out = encoder(padded)
    torch.testing.assert_close(out[0], encoder((nodes[0, mask[0]], edges[0, mask[0]][:, mask[0]])))
    torch.testing.assert_close(out[1], encoder((nodes[1], edges[1])))
    out.sum().backward()
    assert not padded[0].grad[~mask].any()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_an_empty_graph_has_features_of_its_own(encoder: Graph) -> None:
    empty = encoder(example(0))
    assert empty.isfinite().all()
    nodes, edges = example(4)
    torch.testing.assert_close(encoder((nodes, edges, torch.zeros(4, dtype=torch.bool))), empty)


def test_states_keep_their_scale_whatever_the_degree() -> None:
    torch.manual_seed(0)
    encoder, seen = Graph(16, 32), []
    encoder.pool.register_forward_hook(lambda _, given, out: seen.append(given[0].square().mean().item()))
    for edges in (torch.zeros(40, 40), torch.ones(40, 40)):
        encoder((torch.randn(40, 16), edges))
    assert 0.5 < min(seen) < max(seen) < 5


def test_it_runs_under_vmap_and_differentiates_twice(encoder: Graph) -> None:
    nodes, edges = example(2, 4)
    torch.testing.assert_close(torch.vmap(lambda *parts: encoder(parts))(nodes, edges), encoder((nodes, edges)))
    inputs = (nodes.requires_grad_(), edges.requires_grad_())
    assert torch.autograd.gradcheck(lambda *parts: encoder(parts), inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *parts: encoder(parts), inputs, fast_mode=True)


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(2, 3), r"a tuple of tensors \(nodes, adjacency\) or .*got Tensor"),
        ((torch.zeros(2, 3), [1, 2]), "got Tensor, list"),
        ((torch.zeros(2, 3), torch.zeros(3, 3)), r"go with an adjacency \(2, 2\), got \(3, 3\)"),
        ((torch.zeros(3), torch.zeros(3, 3)), r"adjacency \(\*contexts, n, n\), got \(3, 3\)"),
        ((torch.zeros(2, 4), torch.zeros(2, 2)), r"Graph: expected \(\*contexts, n, 3\), got \(2, 4\)"),
        ((torch.zeros(2, 3), torch.zeros(2, 2, dtype=torch.bool)), "adjacency takes floating-point tensors"),
        ((torch.zeros(2, 3), torch.full((2, 2), torch.inf)), r"adjacency: the context is not finite at \[0, 0\]"),
        ((torch.zeros(2, 3), torch.zeros(2, 2), torch.ones(2)), r"boolean mask \(2,\), got torch\.float32 \(2,\)"),
    ],
)
def test_contexts_that_are_no_graphs(context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        Graph(3, 5, hidden=8, num_heads=2)(context)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="num_heads=3 does not divide hidden=8"):
        Graph(3, 5, hidden=8, num_heads=3)
    with pytest.raises(ConfigError, match=r"at least one layer, got layers=0\. For no edges use encoders\.Set"):
        Graph(3, 5, layers=0)
