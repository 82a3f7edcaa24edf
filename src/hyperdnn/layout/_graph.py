"""Which node feeds which: a graph as plain data."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from hyperdnn.errors import LayoutError

__all__ = ["Graph"]


@final
@dataclass(frozen=True)
class Graph:
    """A directed graph without cycles. Nodes are numbered so that every edge leads to a higher number.

    Args:
        num_nodes: how many nodes there are.
        edges: pairs of numbers, from and to; none twice.

    Raises:
        LayoutError: if an edge leads to a node that is not there, or not to a later one, or comes twice.
    """

    num_nodes: int
    edges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.num_nodes < 0:
            raise LayoutError(f"a graph of {self.num_nodes} nodes: expected 0 or more.")
        for start, end in self.edges:
            if not 0 <= start < end < self.num_nodes:
                raise LayoutError(
                    f"edge {(start, end)}: expected from < to, both between 0 and {self.num_nodes - 1}. "
                    "Number the nodes in the order in which they are computed."
                )
        if len(set(self.edges)) < len(self.edges):
            twice = next(edge for i, edge in enumerate(self.edges) if edge in self.edges[:i])
            raise LayoutError(f"edge {twice} comes twice.")

    @classmethod
    def chain(cls, num_nodes: int) -> "Graph":
        """Each node feeds the next one."""
        return cls(num_nodes, tuple((i, i + 1) for i in range(num_nodes - 1)))

    @classmethod
    def union(cls, graphs: Iterable["Graph"]) -> "Graph":
        """All graphs side by side, without an edge between them: the nodes of the first, then those of the second."""
        edges: list[tuple[int, int]] = []
        total = 0
        for graph in graphs:
            edges += [(start + total, end + total) for start, end in graph.edges]
            total += graph.num_nodes
        return cls(total, tuple(edges))

    def distances(self, limit: int) -> tuple[tuple[int, int, int], ...]:
        """Pairs of nodes and the length of the shortest path between them, along the edges.

        Costs one search for each node.

        Args:
            limit: the longest path that counts; 1 gives the edges themselves.

        Returns:
            ``(from, to, length)`` with 1 <= length <= limit, sorted.
        """
        after: list[list[int]] = [[] for _ in range(self.num_nodes)]
        for start, end in self.edges:
            after[start].append(end)
        found = []
        for start in range(self.num_nodes):
            lengths = {start: 0}
            queue = deque([start])
            while queue:
                node = queue.popleft()
                if lengths[node] == limit:
                    break  # those that follow in the queue are no nearer
                for end in after[node]:
                    if end not in lengths:
                        lengths[end] = lengths[node] + 1
                        queue.append(end)
            found += [(start, end, length) for end, length in sorted(lengths.items()) if length]
        return tuple(found)
