import json

import pytest
import torch

from hyperdnn.inspect import Finding
from hyperdnn.lab.train import Log


class Watcher:
    def __init__(self):
        self.heard = []

    def start(self, title, iterations, done):
        self.heard.append(("start", title, iterations, done))

    def advance(self):
        self.heard.append(("advance",))

    def show(self, text):
        self.heard.append(("show", text))

    def warn(self, text):
        self.heard.append(("warn", text))

    def stop(self):
        self.heard.append(("stop",))


def test_lines_carry_labels_step_and_task(state, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"earlier": true}\n')
    log = Log(path, labels={"variant": "beta 0", "seed": 7})
    state.step, state.task = 5, 2
    log.losses(state, {"loss": torch.tensor(0.25, requires_grad=True)})
    log.metrics(state, {"accuracy": 0.5})
    common = {"variant": "beta 0", "seed": 7, "step": 5, "task": 2}
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"earlier": True},
        {**common, "losses": {"loss": 0.25}},
        {**common, "metrics": {"accuracy": 0.5}},
    ]


@pytest.mark.parametrize(("model", "where"), [("", ""), ("critic", ", critic")])
def test_a_warning_is_kept_and_shown(state, tmp_path, model, where):
    path, watcher = tmp_path / "metrics.jsonl", Watcher()
    finding = Finding(ailment="dead", places=("body",), text="the generator is dead.", remedy="Start anew.")
    state.step, state.task = 5, 2
    Log(path, progress=watcher, labels={"seed": 7}).warn(state, model, finding)
    said = {"model": model, "ailment": "dead", "places": ["body"], "text": finding.text, "remedy": finding.remedy}
    assert json.loads(path.read_text()) == {"seed": 7, "step": 5, "task": 2, "warning": said}
    assert watcher.heard == [("warn", f"step 5 of task 2{where}: the generator is dead. Start anew.")]


def test_whoever_watches_is_told(state):
    watcher = Watcher()
    log = Log(progress=watcher, labels={"variant": "beta 0", "seed": 7})
    log.start(2, done=1)
    log.advance()
    log.losses(state, {"loss": torch.tensor(0.25), "keep": torch.tensor(7.0)})
    log.metrics(state, {"final_accuracy": 0.123456})
    log.stop()
    assert watcher.heard == [
        ("start", "beta 0, seed 7", 2, 1),
        ("advance",),
        ("show", "loss 0.25"),
        ("show", "loss 0.25, final accuracy 0.1235"),
        ("stop",),
    ]


def test_a_log_without_file_and_watcher_takes_everything(state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = Log()
    log.start(1)
    log.losses(state, {"loss": torch.tensor(0.25)})
    log.metrics(state, {"accuracy": 1.0})
    log.stop()
    assert list(tmp_path.iterdir()) == []


def test_who_dropped_out_is_kept_and_shown(state, tmp_path):
    watcher, path = Watcher(), tmp_path / "metrics.jsonl"
    Log(path, progress=watcher, labels={"seed": 7}).dropped(state, 3, "no answer came in time.")
    dropped = {"client": 3, "reason": "no answer came in time."}
    assert json.loads(path.read_text()) == {"seed": 7, "step": 0, "task": 0, "dropped": dropped}
    assert watcher.heard == [("show", "client 3 dropped out: no answer came in time.")]
