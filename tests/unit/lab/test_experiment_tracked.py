import json
import sys
from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyperdnn import lab
from hyperdnn.errors import MissingExtraError
from hyperdnn.lab import _experiment
from hyperdnn.lab._discover import configuration, load

NAME = "continual/task_conditioned"


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def config():
    config = configuration(NAME, "tiny")
    return replace(config, train=replace(config.train, iterations=4, checkpoint_every=4, log_every=1))


def _run(config, folder, **options):
    return lab.run(NAME, config, folder=folder, seeds=[0], variants=["hypernet", "beta 0"], **options)


def _events(folder):
    """Points of the event files: sorted (training, name, step, value), each as often as it is there."""
    points = []
    for path in (folder / "tensorboard").iterdir():
        events = EventAccumulator(str(path), size_guidance={"scalars": 0}, purge_orphaned_data=False)
        events.Reload()
        for tag in events.Tags()["scalars"]:
            points += [(path.name, tag, event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]
    return sorted(points, key=lambda point: point[:3])


def _lines(folder):
    """The same of metrics.jsonl."""
    points = []
    for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()):
        for kind in ("losses", "metrics"):
            title = f"{line['variant']}, seed {line['seed']}"
            points += [(title, f"{kind}/{name}", line["step"], value) for name, value in line.get(kind, {}).items()]
    return sorted(points, key=lambda point: point[:3])


def test_the_event_files_hold_what_the_log_holds(config, tmp_path):
    _run(config, tmp_path, track="tensorboard")
    assert _events(tmp_path) == _lines(tmp_path)
    assert len(_lines(tmp_path)) > 20


@pytest.mark.parametrize("before", ["tensorboard", None])
@pytest.mark.parametrize(("beta", "step"), [(None, 4), (None, 6), (0.0, 0), (0.0, 7)])  # 4: measured after a checkpoint
def test_a_resumed_run_writes_no_point_twice(config, tmp_path, monkeypatch, before, beta, step):
    recipe = load(NAME)

    def dying(model, batch, state):
        if (state.config.beta, state.step) == (config.beta if beta is None else beta, step):
            raise KilledError
        return recipe.step(model, batch, state)

    monkeypatch.setattr(_experiment, "load", lambda name: replace(recipe, step=dying))
    with pytest.raises(KilledError):
        _run(config, tmp_path, track=before)
    monkeypatch.setattr(_experiment, "load", lambda name: recipe)
    _run(config, tmp_path, track="tensorboard", resume=True)
    assert _events(tmp_path) == _lines(tmp_path)


def test_a_finished_run_can_be_tracked_afterwards(config, tmp_path):
    _run(config, tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    _run(config, tmp_path, track="tensorboard", resume=True)
    assert _events(tmp_path) == _lines(tmp_path)


def test_a_missing_extra_is_named_before_anything_is_made(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match="tensorboard"):
        _run(config, tmp_path / "new", track="tensorboard")
    assert not (tmp_path / "new").exists()
