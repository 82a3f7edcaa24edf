"""Alone; with another process see ``tests/distributed/test_command.py``."""

import pytest
from torch import distributed

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import TrainingError, _present
from hyperdnn.lab.train._present import Present
from hyperdnn.lab.train._together import together


@pytest.fixture
def others(monkeypatch, tmp_path):
    """As if three other processes were there, this one being number 1."""
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", lambda: None)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(_present, "_SECONDS", 0.1)
    found = {process: Present(tmp_path, process, 4) for process in (0, 2, 3)}
    for other in found.values():
        other.enter()
    yield found
    for other in found.values():
        other.leave("")


GONE = "[gloo/transport/tcp/pair.cc:537] Connection closed by peer"


@pytest.mark.parametrize("said", [GONE, "NCCL error: remote process exited", "Timed out"])
def test_a_process_that_was_killed_is_named(others, tmp_path, said):
    others[2].leave("")
    with pytest.raises(TrainingError, match=r"process 1 of 4 lost process 2, which was killed"), together(tmp_path):
        raise RuntimeError(said)


def test_why_a_process_ended_is_told(others, tmp_path):
    others[0].leave("lost another one")  # which is no reason of its own
    others[3].leave("ZeroDivisionError: division by zero")
    with (
        pytest.raises(TrainingError, match="lost process 3, which ended with ZeroDivisionError: division by zero"),
        together(tmp_path),
    ):
        raise RuntimeError(GONE)


def test_one_that_hangs_is_told_from_one_that_ended(others, tmp_path):
    with pytest.raises(TrainingError, match=r"process 1 of 4 lost another one, which hangs"), together(tmp_path):
        raise RuntimeError(GONE)


def test_other_errors_stay_what_they_are_and_are_left_for_others(others, tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), together(tmp_path):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert others[0].missing() == {1: "RuntimeError: mat1 and mat2 shapes cannot be multiplied"}
    with pytest.raises(ConfigError, match="peer"), together(tmp_path):
        raise ConfigError("peer")
    with pytest.raises(KeyboardInterrupt), together(tmp_path):
        raise KeyboardInterrupt
    assert others[0].missing() == {1: "KeyboardInterrupt"}


def test_what_several_left_is_cleared_by_one_that_went_on(tmp_path):
    other = Present(tmp_path, 1, 2)
    other.enter()
    other.leave("")
    with together(tmp_path):
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_one_process_loses_nobody_and_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match=r"^gloo$"), together(tmp_path):
        raise RuntimeError("gloo")
    assert list(tmp_path.iterdir()) == []


def test_the_first_one_clears_up(monkeypatch, tmp_path):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", lambda: None)
    monkeypatch.setattr(distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 1)
    with together(tmp_path):
        assert [path.name for path in (tmp_path / ".processes").iterdir()] == ["0"]
    assert list(tmp_path.iterdir()) == []
