"""Small graphs of operations, drawn at random."""

import math
from random import Random
from typing import Final, TypeAlias

from hyperdnn.errors import ConfigError

__all__ = ["OPERATIONS", "Cell", "draw_cells", "unread"]

OPERATIONS: Final = ("conv1", "conv3", "separable3", "pool", "skip")
"""What a node of a cell may do."""

Cell: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]
"""Of each node its operation, and what it reads the sum of: 0 is the cell's input, 1 what the first node makes. The sum
of what no node reads leaves the cell."""


def draw_cells(count: int, *, nodes: tuple[int, int], seed: int) -> list[Cell]:
    """Random cells, no two of them equal: those that are judged can be kept apart from those that are learnt from.

    Each node does any of the operations and reads one or two of what there is before it. Cells that are written
    differently may still compute the same, such as those whose nodes come in another order.

    Args:
        count: how many.
        nodes: the fewest and the most operations in a cell.
        seed: of what is drawn; fewer cells of the same seed are the first of them.

    Raises:
        ConfigError: numbers of nodes that are none, or fewer different cells than asked for.
    """
    fewest, most = nodes
    if not 1 <= fewest <= most:
        raise ConfigError(f"nodes: expected the fewest, 1 or more, and the most operations in a cell, got {nodes}.")
    there = sum(_number_of_cells(size) for size in range(fewest, most + 1))
    if count > there:
        raise ConfigError(f"nodes: there are {there} different cells of {fewest} to {most} operations, not {count}.")
    random, cells = Random(seed), dict[Cell, None]()
    while len(cells) < count:
        cells[_draw(random, fewest, most)] = None
    return list(cells)


def unread(cell: Cell) -> list[int]:
    """The nodes that no other one reads."""
    read = {source for _, sources in cell for source in sources}
    return [node for node in range(1, len(cell) + 1) if node not in read]


def _draw(random: Random, fewest: int, most: int) -> Cell:
    cell = []
    for node in range(1, random.randint(fewest, most) + 1):
        sources = random.sample(range(node), random.randint(1, min(node, 2)))
        cell.append((random.choice(OPERATIONS), tuple(sorted(sources))))
    return tuple(cell)


def _number_of_cells(size: int) -> int:
    return math.prod(len(OPERATIONS) * (node + math.comb(node, 2)) for node in range(1, size + 1))
