"""Alone; with another process see ``tests/distributed/test_command.py``."""

import pytest
from torch import distributed

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import TrainingError
from hyperdnn.lab.train._together import together


@pytest.fixture
def pretended(monkeypatch):
    """As if another process had been there."""
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", lambda: None)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)


@pytest.mark.parametrize(
    "said",
    ["[gloo/transport/tcp/pair.cc:537] Connection closed by peer", "NCCL error: remote process exited", "Timed out"],
)
def test_what_a_backend_says_becomes_one_message(pretended, said):
    with pytest.raises(TrainingError, match=r"process 1 of 4 lost another one.*its own message"), together():
        raise RuntimeError(said)


def test_other_errors_stay_what_they_are(pretended):
    with pytest.raises(RuntimeError, match="shapes"), together():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(ConfigError, match="peer"), together():
        raise ConfigError("peer")


def test_one_process_loses_nobody():
    with pytest.raises(RuntimeError, match=r"^gloo$"), together():
        raise RuntimeError("gloo")
