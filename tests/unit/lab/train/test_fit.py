import json

import pytest

from hyperdnn.lab.train import Log, fit


def test_fit_learns_its_data_and_says_how_well(state, settings, step, evaluate, tasks, tmp_path):
    log = Log(tmp_path / "metrics.jsonl", labels={"variant": "toy"})
    before = evaluate(state.model, tasks[0])["accuracy"]
    outcome = fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=log)
    assert outcome.metrics["accuracy"] > max(before, 0.9)
    assert outcome.arrays == {}
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 40]
    assert lines[-1]["metrics"] == pytest.approx(outcome.metrics)
    assert lines[-2]["losses"]["loss"] < lines[0]["losses"]["loss"]
