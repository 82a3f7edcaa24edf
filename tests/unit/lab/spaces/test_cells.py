import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.spaces import OPERATIONS, draw_cells


def test_every_number_of_nodes_and_every_operation_comes() -> None:
    cells = draw_cells(200, nodes=(3, 5), seed=0)
    assert {len(cell) for cell in cells} == {3, 4, 5}
    assert {name for cell in cells for name, _ in cell} == set(OPERATIONS)


def test_nodes_read_one_or_two_of_what_is_before_them() -> None:
    read = [
        (node, sources) for cell in draw_cells(200, nodes=(3, 5), seed=1) for node, (_, sources) in enumerate(cell, 1)
    ]
    assert {len(set(sources)) for _, sources in read} == {1, 2}
    assert all(0 <= source < node for node, sources in read for source in sources)
    assert {sources for node, sources in read if node == 3} == {(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)}


def test_no_cell_comes_twice_even_where_all_are_asked_for() -> None:
    there = 5 + 5 * 5 * 3  # a single node, and two of which the second reads 0, 1 or both
    assert len(set(draw_cells(there, nodes=(1, 2), seed=0))) == there
    with pytest.raises(ConfigError, match="there are 80 different cells of 1 to 2 operations, not 81"):
        draw_cells(81, nodes=(1, 2), seed=0)


def test_the_seed_decides() -> None:
    assert draw_cells(9, nodes=(3, 5), seed=4) == draw_cells(20, nodes=(3, 5), seed=4)[:9]
    assert draw_cells(9, nodes=(3, 5), seed=4) != draw_cells(9, nodes=(3, 5), seed=5)


@pytest.mark.parametrize("nodes", [(0, 3), (4, 3)])
def test_impossible_numbers_of_nodes_are_named(nodes: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"nodes: expected the fewest, 1 or more, and the most .* got \("):
        draw_cells(1, nodes=nodes, seed=0)
