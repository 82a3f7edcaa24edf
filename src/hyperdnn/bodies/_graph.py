"""A gated graph network over slots."""

from collections.abc import Iterable, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn import layout
from hyperdnn.bodies._needs_slots import check_slots
from hyperdnn.bodies._schedule import Pass, both_ways
from hyperdnn.errors import ConfigError
from hyperdnn.nn import STEPS

__all__ = ["Graph"]


@final
class Graph(nn.Module):
    """Gated graph network: every slot is a node, and hears those that the target computes before and after it.

    A pass visits the nodes in topological order, a second one in the reverse order; each node updates its state by a
    GRU from the messages of those visited before. Virtual edges carry messages over paths of several edges, weighted
    by one over their length. Nodes of equal depth are updated at once, so a pass costs as many steps as the longest
    path, however many nodes or disjoint graphs there are; the number of virtual edges can grow with the square of the
    number of nodes.

    The messages of a node are divided by the root of the sum of their squared weights, where the publications sum: a
    node of a hundred neighbours starts with gates as open as one of a single neighbour. A layer norm ends the network.

    Args:
        features: width of the input.
        hidden: width of the output and of the state.
        graph: `layout.Graph`, or ``(num_nodes, edges)``; one row of features for each node. Leave it out where graphs
            come with the calls of `propagate`.
        rounds: passes forward and backward, all with the same parameters.
        virtual: longest path that a virtual edge stands for; 1 for none.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, nodes, features)`` -> ``(*contexts, nodes, hidden)``, each row with unit variance at the start.

    Raises:
        ConfigError: if a number is below one, for features of another number of nodes or without nodes, for a call
            without a graph, or for something that is none.

    Source:
        Zhang, Ren & Urtasun, "Graph HyperNetworks for Neural Architecture Search", ICLR 2019, section 3; Knyazev et
        al., "Parameter Prediction for Unseen Deep Architectures", NeurIPS 2021, equation 4 (virtual edges).
    """

    mixes_slots = True

    def __init__(
        self,
        features: int,
        hidden: int,
        graph: layout.Graph | Sequence[Any] | None = None,
        *,
        rounds: int = 1,
        virtual: int = 50,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if rounds < 1 or virtual < 1:
            raise ConfigError(f"Graph: rounds and virtual are at least 1, got rounds={rounds}, virtual={virtual}.")
        known = None if graph is None else _graph(graph)
        self.features = features
        self.hidden = hidden
        self.graph = None if known is None else (known.num_nodes, known.edges)
        self.rounds = rounds
        self.virtual = virtual
        self.enter = nn.Linear(features, hidden, device=device, dtype=dtype)
        self.tell = _messages(hidden, device=device, dtype=dtype)
        self.tell_far = _messages(hidden, device=device, dtype=dtype) if virtual > 1 else None
        self.hear = nn.Linear(hidden, 3 * hidden, device=device, dtype=dtype)
        self.keep = nn.Linear(hidden, 3 * hidden, bias=False, device=device, dtype=dtype)
        self.norm = nn.LayerNorm(hidden, device=device, dtype=dtype)
        initial.fill_unit_(self.enter)
        initial.fill_unit_(self.hear)  # torch's default would leave the gates half open and the state near zero
        nn.init.normal_(self.keep.weight, std=hidden**-0.5)
        self.passes = nn.ModuleList([] if known is None else both_ways(known, virtual)).to(device, dtype)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        check_slots(self, features)
        if self.graph is None:
            raise ConfigError("this Graph has no graph of its own: pass Graph(..., graph=...), or call propagate.")
        _check_nodes(features, self.graph[0])
        return self._run(features, self.passes)

    def propagate(
        self, features: Float[Tensor, "*rows features"], graph: layout.Graph
    ) -> Float[Tensor, "*rows hidden"]:
        """The same along a graph that comes with the call: many disjoint ones go together as their union.

        Raises:
            ConfigError: for features of another number of nodes, or for what is no graph.
        """
        graph = _graph(graph)
        _check_nodes(features, graph.num_nodes)
        return self._run(features, [one.to(features.device) for one in both_ways(graph, self.virtual)])

    def _run(self, features: Tensor, passes: Iterable[nn.Module]) -> Tensor:
        state: Tensor = self.enter(features)
        for one in [*passes] * self.rounds:
            assert isinstance(one, Pass)
            state = self._update(state, one)
        out: Tensor = self.norm(state)
        return out

    def _update(self, state: Tensor, one: Pass) -> Tensor:
        heard, updated = torch.zeros_like(state), []
        levels = zip(
            torch.split(one.order, one.nodes),
            torch.split(state.index_select(-2, one.order), one.nodes, dim=-2),
            torch.split(one.sources, one.messages),
            torch.split(one.targets, one.messages),
            torch.split(one.shares.to(state.dtype).unsqueeze(-1), one.messages),
            strict=True,
        )
        for nodes, before, sources, targets, shares in levels:
            gates = self.hear(heard.index_select(-2, nodes))
            after = STEPS["GRU"](gates, (before,), self.keep.weight, None)[0].to(state.dtype)
            updated.append(after)
            far = () if self.tell_far is None else (self.tell_far(after),)
            messages = torch.cat([self.tell(after), *far], dim=-2).index_select(-2, sources)
            heard = heard.index_add(-2, targets, (shares * messages).to(state.dtype))
        return torch.cat(updated, dim=-2).index_select(-2, one.places)


def _messages(hidden: int, *, device: torch.device | None, dtype: torch.dtype | None) -> nn.Sequential:
    first = nn.Linear(hidden, hidden, device=device, dtype=dtype)
    last = nn.Linear(hidden, hidden, device=device, dtype=dtype)
    nn.init.kaiming_normal_(first.weight)
    nn.init.zeros_(first.bias)
    initial.fill_unit_(last)
    return nn.Sequential(first, nn.ReLU(), last)


def _graph(graph: layout.Graph | Sequence[Any]) -> layout.Graph:
    if isinstance(graph, layout.Graph):
        return graph
    if not isinstance(graph, Sequence) or len(graph) != 2:
        raise ConfigError(
            f"graph: expected a layout.Graph or (num_nodes, edges), got {type(graph).__name__}. Of an Architecture "
            "pass architecture.graph."
        )
    num_nodes, edges = graph
    return layout.Graph(num_nodes, tuple((start, to) for start, to in edges))  # a file has lists for tuples


def _check_nodes(features: Tensor, num_nodes: int) -> None:
    if features.ndim < 2 or features.shape[-2] != num_nodes:
        raise ConfigError(
            f"Graph: expected one row for each of {num_nodes} nodes, (*contexts, {num_nodes}, features), got "
            f"{tuple(features.shape)}."
        )
