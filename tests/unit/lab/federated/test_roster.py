import time

import pytest

from hyperdnn.lab.federated import _roster
from hyperdnn.lab.federated._roster import Roster


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(_roster, "_PAUSE", 0.01)


def _questions(grid):
    return [node for node, kind in grid.sent if kind == "query"]


def test_each_node_is_asked_once_who_it_is(grid):
    roster = Roster(grid, patience=0.0, timeout=1.0)
    assert roster.find([1, 3]) == {1: 899, 3: 897}
    assert roster.find([0, 4]) == {0: 900, 4: 896}
    assert sorted(_questions(grid)) == sorted(grid.contexts)


def test_a_client_that_was_never_there_is_waited_for_once(grid):
    late = grid.contexts.pop(899)
    roster = Roster(grid, patience=0.2, timeout=1.0)
    began = time.monotonic()
    assert roster.find([0, 1]) == {0: 900}
    assert time.monotonic() - began >= 0.2
    began = time.monotonic()
    assert roster.find([0, 1]) == {0: 900}
    assert time.monotonic() - began < 0.1
    grid.contexts[7] = late
    assert roster.find([0, 1]) == {0: 900, 1: 7}


def test_it_stops_waiting_as_soon_as_all_are_there(grid):
    late = grid.contexts.pop(899)
    look = grid.get_node_ids
    looks = []

    def later():
        looks.append(1)
        if len(looks) == 3:
            grid.contexts[7] = late
        return look()

    grid.get_node_ids = later
    assert Roster(grid, patience=60.0, timeout=1.0).find([0, 1]) == {0: 900, 1: 7}


def test_a_second_node_that_says_it_is_the_same_client_is_not_heard(grid):
    roster = Roster(grid, patience=0.0, timeout=1.0)
    roster.find([0])
    grid.contexts[5] = grid.contexts[900]
    assert roster.find([0]) == {0: 900}


def test_nodes_that_say_nothing_of_use_are_nobody(grid):
    grid.contexts[900].node_config.pop("partition-id")
    grid.forge = lambda node, kind, content: type(content)() if node == 899 else content
    assert Roster(grid, patience=0.0, timeout=1.0).find([0, 1, 2]) == {2: 898}
