"""Alone; with another process see ``tests/distributed/checks_checkpoints.py``."""

import pytest

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._jointly import first_says, jointly, number, rank, several


def test_one_process_is_the_first_and_only_one():
    assert (rank(), number(), several()) == (0, 1, False)
    value = object()
    assert first_says(value) is value
    assert jointly(lambda: value) == [value]


def test_an_error_stays_what_it_is():
    error = CheckpointError("no")

    def fail():
        raise error

    with pytest.raises(CheckpointError, match=r"^no$") as caught:
        jointly(fail)
    assert caught.value is error
