import json
import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import Checkpoints, Log, TrainingError, fit, sequence
from hyperdnn.lab.train._engine import Engine


def _losses(state, losses):
    """A validation loss that follows a script, one entry for each look."""
    looks = iter(losses)
    seen = []

    def validate(model, data):
        assert not model.training
        assert not torch.is_grad_enabled()
        seen.append((state.step, {name: value.clone() for name, value in model.state_dict().items()}))
        return next(looks)

    return validate, seen


def test_stops_when_nothing_improves_and_puts_the_best_weights_back(state, settings, step, evaluate, tasks, tmp_path):
    validate, seen = _losses(state, [3.0, 2.0, 2.0, 4.0])
    log = Log(tmp_path / "metrics.jsonl")
    settings = replace(settings, patience=10, validate_every=5)
    fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=log, validate=validate)
    assert [where for where, _ in seen] == [5, 10, 15, 20]  # the best is at 10; 10 steps without a lower one
    assert state.step == 20
    for name, value in state.model.state_dict().items():
        assert value.equal(seen[1][1][name])
        assert not value.equal(seen[3][1][name])
    assert state.record == {}
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    found = [line["losses"]["validation"] for line in lines if "validation" in line.get("losses", {})]
    assert found == [3.0, 2.0, 2.0, 4.0]


def test_the_best_weights_come_back_at_the_end_too(state, settings, step, evaluate, tasks):
    validate, seen = _losses(state, [1.0, 2.0, 3.0, 4.0])
    settings = replace(settings, patience=1000, validate_every=10)
    fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(), validate=validate)
    assert state.step == settings.iterations
    assert all(value.equal(seen[0][1][name]) for name, value in state.model.state_dict().items())


def test_a_loss_that_is_never_a_number_stops_and_keeps_the_weights(state, settings, step, evaluate, tasks):
    validate, seen = _losses(state, [math.nan] * 9)
    settings = replace(settings, patience=7, validate_every=2)
    fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(), validate=validate)
    assert state.step == 7
    assert len(seen) == 3


def test_without_patience_nobody_looks(state, settings, step, evaluate, tasks):
    validate, seen = _losses(state, [])
    fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(), validate=validate)
    assert seen == []


@pytest.mark.parametrize("loop", [fit, lambda state, task, *rest, **parts: sequence(state, [task], *rest, **parts)])
def test_patience_without_a_validation_loss_is_refused(loop, state, settings, step, evaluate, tasks):
    with pytest.raises(ConfigError, match=r"train\.patience: this training has no validation loss.*null"):
        loop(state, tasks[0], replace(settings, patience=5), step=step, evaluate=evaluate, log=Log())


def _validate(model, task):
    batch = task.test[:]
    return float((model(batch.inputs) - batch.targets[:, None]).square().mean())  # nothing that training lowers


@pytest.mark.parametrize("until", [6, 14])
def test_a_killed_training_stops_where_it_would_have_stopped(until, state, settings, step, evaluate, tasks, tmp_path):
    settings = replace(settings, patience=12, validate_every=3, checkpoint_every=5, lr=0.5)
    first = {name: value.clone() for name, value in state.model.state_dict().items()}
    run = partial(fit, data=tasks[0], settings=settings, evaluate=evaluate, validate=_validate)
    run(state, step=step, log=Log(tmp_path / "whole.jsonl"))
    expected = {name: value.clone() for name, value in state.model.state_dict().items()}
    assert until < state.step < settings.iterations

    def dying(model, batch, own):
        if own.step == until:
            raise TrainingError("killed")
        return step(model, batch, own)

    state.model.load_state_dict(first)
    kept = Checkpoints(tmp_path / "kept")
    again = replace(state, generator=torch.Generator().manual_seed(0), step=0, record={}, checkpoints=kept)
    with pytest.raises(TrainingError, match="killed"):
        run(again, step=dying, log=Log(tmp_path / "killed.jsonl"))
    resumed = replace(again, record={}, resumed=kept.latest())
    run(resumed, step=step, log=Log(tmp_path / "killed.jsonl"))
    assert resumed.step == state.step
    assert all(value.equal(expected[name]) for name, value in resumed.model.state_dict().items())
    assert (tmp_path / "whole.jsonl").read_text() == (tmp_path / "killed.jsonl").read_text()


def test_several_processes_are_refused(state, settings, tasks):
    engine = Engine(state, replace(settings, patience=5))
    engine.processes.number = 2
    with pytest.raises(ConfigError, match="stops early in one process only"):
        engine.stopping(_validate, tasks[0], log=Log())
