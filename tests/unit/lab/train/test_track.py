import json
import math
import sys

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.train import Log, TensorBoard


def read(folder):
    """All points of all trainings, as training -> name -> [(step, value), ...]."""
    points = {}
    for path in sorted(folder.iterdir()):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0}, purge_orphaned_data=False)
        events.Reload()
        points[path.name] = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return points


def _line(step, kind="losses", seed=0, variant="net", **values):
    return {"variant": variant, "seed": seed, "step": step, "task": 0, kind: values}


def test_each_training_has_its_points(tmp_path):
    tracker = TensorBoard(tmp_path / "events")
    tracker.add(_line(1, loss=0.5, keep=2.0))
    tracker.add(_line(2, loss=0.25))
    tracker.add(_line(2, "metrics", accuracy=0.75))
    tracker.add(_line(1, loss=8.0, seed=1))
    tracker.add(_line(1, loss=9.0, variant="a/b"))
    tracker.add(_line(1, loss=7.0, variant="a b"))
    tracker.add(_line(3, loss=math.inf))
    tracker.add(_line(3, "warning", text="the generator is dead"))
    tracker.close()
    assert read(tmp_path / "events") == {
        "net, seed 0": {
            "losses/loss": [(1, 0.5), (2, 0.25), (3, math.inf)],
            "losses/keep": [(1, 2.0)],
            "metrics/accuracy": [(2, 0.75)],
        },
        "net, seed 1": {"losses/loss": [(1, 8.0)]},
        "a%2Fb, seed 0": {"losses/loss": [(1, 9.0)]},
        "a b, seed 0": {"losses/loss": [(1, 7.0)]},
    }


def test_lines_without_labels_have_a_place_too(tmp_path):
    tracker = TensorBoard(tmp_path)
    tracker.add({"step": 1, "task": 0, "losses": {"loss": 1.0}})
    tracker.close()
    assert read(tmp_path) == {"run": {"losses/loss": [(1, 1.0)]}}


def test_it_begins_with_the_lines_of_the_file_and_nothing_else(tmp_path):
    path = tmp_path / "metrics.jsonl"
    tracker = TensorBoard(tmp_path / "events")
    tracker.begin(path)  # there is none yet
    tracker.add(_line(1, loss=1.0, seed=5))
    lines = "".join(json.dumps(_line(step, loss=float(step))) + "\n" for step in (1, 2))
    path.write_text(lines + '{"variant": "ne')  # killed while it wrote
    tracker.begin(path)
    tracker.add(_line(3, loss=3.0))
    tracker.close()
    assert read(tmp_path / "events") == {"net, seed 0": {"losses/loss": [(1, 1.0), (2, 2.0), (3, 3.0)]}}


def test_a_log_that_goes_back_takes_its_points_back(state, tmp_path):
    tracker = TensorBoard(tmp_path / "events")
    log = Log(tmp_path / "metrics.jsonl", tracker=tracker)
    kept = 0
    for state.step in (1, 2, 3):
        log.losses(state, {"loss": torch.tensor(float(state.step))})
        kept = log.position() if state.step == 2 else kept
    log.stop()
    log.rewind(kept)
    log.metrics(state, {"accuracy": 1.0})
    log.stop()
    assert read(tmp_path / "events") == {"run": {"losses/loss": [(1, 1.0), (2, 2.0)], "metrics/accuracy": [(3, 1.0)]}}


def test_tensorboard_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r'tensorboard is not installed. Type: pip install "hyperdnn\[track\]"'):
        TensorBoard(tmp_path)
