"""Which nodes of a graph are updated together, and whom they tell."""

import math
from collections.abc import Sequence
from itertools import accumulate
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
        messages: of each its sender, its receiver and the edges between the two.
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

    def __init__(self, messages: Sequence[tuple[int, int, int]], levels: Sequence[int]) -> None:
        super().__init__()
        self.nodes = _count(levels, levels)
        self.messages = _count([levels[start] for start, _, _ in messages], levels)
        first = [0, *accumulate(self.nodes)]
        order = sorted(range(len(levels)), key=levels.__getitem__)
        places = sorted(range(len(levels)), key=order.__getitem__)
        squares = [0.0] * len(levels)
        for _, target, distance in messages:
            squares[target] += distance**-2
        sources, targets, shares = [], [], []
        for start, target, distance in sorted(messages, key=lambda message: levels[message[0]]):
            level = levels[start]
            sources.append(places[start] - first[level] + (self.nodes[level] if distance > 1 else 0))
            targets.append(target)
            shares.append(1 / (distance * math.sqrt(squares[target])))
        for name, numbers in {"order": order, "places": places, "sources": sources, "targets": targets}.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.long, device="cpu"))
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float64, device="cpu"))


def both_ways(graph: layout.Graph, virtual: int) -> tuple[Pass, Pass]:
    """A pass along the edges and one against them, with virtual edges for paths up to a length."""
    found = graph.distances(virtual)
    back = sorted(((to, start) for start, to in graph.edges), reverse=True)
    return (
        Pass(found, _levels(graph.num_nodes, sorted(graph.edges))),
        Pass([(to, start, distance) for start, to, distance in found], _levels(graph.num_nodes, back)),
    )


def _count(found: Sequence[int], levels: Sequence[int]) -> list[int]:
    """How many there are on each level; a graph without nodes has a level without nodes."""
    counts = [0] * (max(levels, default=0) + 1)
    for level in found:
        counts[level] += 1
    return counts


def _levels(num_nodes: int, edges: list[tuple[int, int]]) -> list[int]:
    """Longest path to each node; an edge comes after all that lead to its start."""
    levels = [0] * num_nodes
    for start, to in edges:
        levels[to] = max(levels[to], levels[start] + 1)
    return levels
