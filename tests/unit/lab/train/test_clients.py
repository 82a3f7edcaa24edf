import pytest
import torch
from torch import nn

from hyperdnn.lab.train import Clients, Reply
from hyperdnn.lab.train._client import LocalClients
from hyperdnn.lab.train._clients import fault, seed_of
from hyperdnn.layout import ParamLayout

LAYOUT = ParamLayout.of(nn.Linear(2, 3))


def _reply(**changes):
    change = {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)} | changes.pop("change", {})
    return Reply(**{"samples": 5, "change": change, "losses": {"loss": 1.0}, **changes})


def test_a_good_reply_has_no_fault():
    assert fault(_reply(), LAYOUT) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"change": {"bias": torch.zeros(4)}}, "'bias': expected"),
        ({"change": {"other": torch.zeros(3)}}, "'other' is not generated"),
        (
            {"change": {"weight": torch.zeros(2, 3, 2), "bias": torch.zeros(2, 3)}},
            r"its change has context dimensions (2,)",
        ),
        ({"change": {"bias": torch.tensor([0.0, float("nan"), 0.0])}}, "its change of 'bias' is not finite"),
        ({"change": {"bias": torch.full((3,), -float("inf"))}}, "its change of 'bias' is not finite"),
        ({"change": {"bias": torch.zeros(3, dtype=torch.int64)}}, "'bias': expected real floating-point numbers"),
        ({"samples": 0}, "it says that it has 0 samples"),
        ({"samples": -3}, "it says that it has -3 samples"),
        ({"losses": {}}, "it says nothing of its loss"),
        ({"losses": {"loss": float("nan")}}, "its 'loss' is nan"),
        ({"losses": {"loss": 1.0, "extra": float("-inf")}}, "its 'extra' is -inf"),
    ],
)
def test_a_fault_is_said_in_words(changes, words):
    assert (fault(_reply(**changes), LAYOUT) or "").startswith(words)


def test_seeds_differ_by_run_round_and_client():
    seeds = {seed_of(run, round, client) for run in range(5) for round in range(20) for client in range(20)}
    assert len(seeds) == 5 * 20 * 20
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of(1, 23, 4) != seed_of(12, 3, 4)
    assert seed_of(0, 0, 0) == 1244787539  # never changes: resumed runs and other machines depend on it


def test_clients_in_this_process_are_clients():
    assert issubclass(LocalClients, Clients)
