"""Which nodes of a graph are updated together, and whom they tell."""

from typing import final

import torch
from torch import Tensor, nn

from hyperdnn import layout

__all__ = ["Pass", "both_ways"]


@final
class Pass(nn.Module):
    """One way along a graph, level by level. Holds no parameters; a module, so that it follows its body's device.

    The level of a node is the length of the longest path to it: all whom it hears are on earlier levels, so the nodes
    of one level are updated at once, and the result is that of visiting the nodes one by one in topological order.

    Args:
        starts: of each message its sender.
        targets: of each message its receiver.
        distances: edges between the two.
        levels: of each node.
    """

    order: Tensor
    """Nodes in the order of their updates."""
    places: Tensor
    """Where each node stands in that order."""
    sources: Tensor
    """Of each message the sender's place in its level; one that goes by a virtual edge stands behind the level."""
    targets: Tensor
    """Of each message its receiver, in the order of the senders' levels."""
    shares: Tensor
    """Weight of each message. The squares of what a node hears sum to one: messages of unit variance have a sum of
    unit variance, whatever the degree."""

    def __init__(self, starts: Tensor, targets: Tensor, distances: Tensor, levels: Tensor) -> None:
        super().__init__()
        order = levels.argsort(stable=True)
        places = order.argsort()
        sizes = levels.bincount(minlength=1)
        first = sizes.cumsum(0) - sizes
        shares = 1.0 / distances.double()
        heard = shares.new_zeros(len(levels)).index_add(0, targets, shares.square()).sqrt()
        by_level = levels[starts].argsort(stable=True)
        level = levels[starts][by_level]
        sources = places[starts] - first[levels[starts]] + (distances > 1) * sizes[levels[starts]]
        self.nodes: list[int] = sizes.tolist()
        self.messages: list[int] = level.bincount(minlength=len(sizes)).tolist()
        self.register_buffer("order", order)
        self.register_buffer("places", places)
        self.register_buffer("sources", sources[by_level])
        self.register_buffer("targets", targets[by_level])
        self.register_buffer("shares", (shares / heard[targets])[by_level])


def both_ways(graph: layout.Graph, virtual: int) -> tuple[Pass, Pass]:
    """A pass along the edges and one against them, with virtual edges for paths up to a length."""
    found = torch.tensor(graph.distances(virtual), dtype=torch.long, device="cpu")  # also where the default is meta
    starts, targets, distances = found.reshape(-1, 3).unbind(-1)
    back = sorted(((to, start) for start, to in graph.edges), reverse=True)
    return (
        Pass(starts, targets, distances, _levels(graph.num_nodes, sorted(graph.edges))),
        Pass(targets, starts, distances, _levels(graph.num_nodes, back)),
    )


def _levels(num_nodes: int, edges: list[tuple[int, int]]) -> Tensor:
    """Longest path to each node; an edge comes after all that lead to its start."""
    levels = [0] * num_nodes
    for start, to in edges:
        levels[to] = max(levels[to], levels[start] + 1)
    return torch.tensor(levels, dtype=torch.long, device="cpu")
