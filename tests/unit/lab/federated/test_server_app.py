import hashlib
import json
from pathlib import Path

import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from hyperdnn import lab
from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.config import override
from hyperdnn.lab.train import TrainingError
from hyperdnn.lab.train._keeper import Keeper


class KilledError(Exception):
    """Stands for the end of the process."""


def _killing(keep):
    def killing(self, iteration, log):
        keep(self, iteration, log)
        if iteration >= 4:
            raise KilledError

    return killing


RECIPE = str(Path(__file__).parents[3] / "reliability" / "clients.py")


def _came_of(folder):
    (final,) = folder.rglob("final/state.safetensors")
    return hashlib.sha256(final.read_bytes()).hexdigest(), (folder / "metrics.jsonl").read_text()


def _lines(folder, kind):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line[kind] for line in lines if kind in line]


def _run(grid, serve, config, folder, **options):
    found = []

    def main(clients):
        found.append(lab.run(RECIPE, config, folder=folder, seeds=[0], clients=clients, **options))

    serve(grid, main, patience=0.0, timeout=5.0)
    return found[0]


@pytest.mark.parametrize("personal", [True, False])
def test_clients_elsewhere_come_to_the_same_bits(grid, serve, config, tmp_path, personal):
    config = override(config, {"personal": personal})
    here = lab.run(RECIPE, config, folder=tmp_path / "here", seeds=[0])
    there = _run(grid, serve, config, tmp_path / "there")
    assert _came_of(tmp_path / "here") == _came_of(tmp_path / "there")
    assert here["metrics"] == there["metrics"]
    assert here["arrays"] == there["arrays"]
    assert {node for node, kind in grid.sent if kind == "train"} <= set(grid.contexts)
    assert [bool(len(context.state)) for context in grid.contexts.values()].count(True) == (5 if personal else 0)


def test_one_who_does_not_answer_is_counted_and_the_others_learn(grid, serve, config, tmp_path):
    grid.silent = {900, 899}
    results = _run(grid, serve, override(config, {"client.per_round": 4}), tmp_path)
    dropped = _lines(tmp_path, "dropped")
    assert {line["client"] for line in dropped} == {0, 1}
    assert dropped[0]["reason"] == "no answer came in time."
    assert results["metrics"]["hypernet"]["dropped"]["mean"] == len(dropped) > 4
    accuracy = results["arrays"]["hypernet"]["client_accuracy"]
    assert [value is None for value in accuracy] == [True, True, False, False, False]
    known = [value for value in accuracy if value is not None]
    assert results["metrics"]["hypernet"]["accuracy"]["mean"] == pytest.approx(sum(known) / 3)


def test_a_client_that_leaves_is_dropped_and_found_again(grid, serve, config, tmp_path):
    absent = grid.contexts.pop(900)
    ask = grid.send_and_receive

    def later(messages, *, timeout=None):
        if sum(kind == "train" for _, kind in grid.sent) >= 12:
            grid.contexts[555] = absent  # under another number, as Flower gives one
        return ask(messages, timeout=timeout)

    grid.send_and_receive = later
    _run(grid, serve, override(config, {"client.per_round": 5}), tmp_path)
    dropped = _lines(tmp_path, "dropped")
    assert 1 <= len(dropped) <= 5
    assert dropped[0] == {"client": 0, "reason": "no node is there for it."}
    assert (555, "train") in grid.sent


def _forged(name, array=None, **records):
    def forge(node, kind, content):
        if node != 898 or kind != "train":
            return content
        change = dict(content["change"])
        if array is not None:
            change[name] = ArrayRecord({name: torch.as_tensor(array)})[name]
        return RecordDict({**content, "change": ArrayRecord(change), **records})

    return forge


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (_forged("2.bias", torch.zeros(13)), r"'2.bias': expected (12,) of float32, got"),
        (_forged("2.bias", torch.zeros(12, dtype=torch.float64)), r"'2.bias': expected (12,) of float32, got"),
        (_forged("2.bias", torch.full((12,), float("nan"))), "its change of '2.bias' is not finite."),
        (_forged("2.bias", torch.full((12,), float("inf"))), "its change of '2.bias' is not finite."),
        (_forged("9.bias", torch.zeros(12)), "'9.bias' is unknown."),
        (_forged("2.bias", about=ConfigRecord({"samples": 0})), "it says that it has 0 samples."),
        (_forged("2.bias", about=ConfigRecord({"samples": "many"})), "it says that it has 'many' samples."),
        (_forged("2.bias", losses=MetricRecord({"loss": float("nan")})), "its 'loss' is nan."),
        (_forged("2.bias", losses=MetricRecord({})), "it says nothing of its loss."),
        (_forged("2.bias", losses=ConfigRecord({})), "expected numbers, got ConfigRecord."),
        (lambda node, kind, content: RecordDict() if (node, kind) == (898, "train") else content, "its answer has no"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_by_name(grid, serve, config, tmp_path, forge, reason):
    grid.forge = forge
    config = override(config, {"client.per_round": 5, "train.iterations": 2, "client.steps": 1})
    results = _run(grid, serve, config, tmp_path)
    dropped = _lines(tmp_path, "dropped")
    assert [line["client"] for line in dropped] == [2, 2]
    assert dropped[0]["reason"].startswith(reason)
    assert results["metrics"]["hypernet"]["accuracy"]["mean"] > 0


def test_a_client_that_fails_is_counted_with_what_it_said(grid, serve, config, tmp_path):
    work = grid.app

    def app(message, context):
        if message.metadata.message_type == "train" and context.node_id == 898:
            raise OSError("no space left")
        return work(message, context)

    grid.app = app
    _run(grid, serve, override(config, {"client.per_round": 5, "train.iterations": 1}), tmp_path)
    (dropped,) = _lines(tmp_path, "dropped")
    assert dropped == {"client": 2, "reason": "its node failed (code 2): ClientAppException: no space left"}


def test_all_clients_gone_is_an_error_with_a_reason(grid, serve, config, tmp_path):
    grid.silent = set(grid.contexts)
    with pytest.raises(TrainingError, match=r"all 3 clients of round 0 dropped out; client \d: no answer came in time"):
        _run(grid, serve, config, tmp_path)


def test_a_recipe_without_clients_is_refused(grid, serve, tmp_path):
    name = "continual/task_conditioned"
    config = lab._discover.configuration(name, "tiny")
    with pytest.raises(ConfigError, match=r"has no clients: none of hypernet, .* trains by lab.train.rounds"):
        serve(grid, lambda clients: lab.run(name, config, folder=tmp_path, seeds=[0], clients=clients))


def test_what_stayed_on_flower_is_not_made_up_again(grid, serve, config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "keep", _killing(Keeper.keep))
        with pytest.raises(KilledError):
            _run(grid, serve, config, tmp_path)
    with pytest.raises(CheckpointError, match="go on in one process with what began in one"):
        lab.run(RECIPE, config, folder=tmp_path, seeds=[0], resume=True)


def test_a_stopped_run_goes_on_elsewhere_unless_clients_kept_something(grid, serve, config, tmp_path, monkeypatch):
    for personal in (False, True):
        config = override(config, {"personal": personal})
        whole, folder = tmp_path / f"whole {personal}", tmp_path / f"killed {personal}"
        lab.run(RECIPE, config, folder=whole, seeds=[0])
        with monkeypatch.context() as patch:
            patch.setattr(Keeper, "keep", _killing(Keeper.keep))
            with pytest.raises(KilledError):
                lab.run(RECIPE, config, folder=folder, seeds=[0])
        if personal:
            with pytest.raises(CheckpointError, match="what those elsewhere had is not in the checkpoint"):
                _run(grid, serve, config, folder, resume=True)
        else:
            _run(grid, serve, config, folder, resume=True)
            assert _came_of(folder) == _came_of(whole)
