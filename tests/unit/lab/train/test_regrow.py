"""Models that grow between tasks are resumed as large as they were: `Keeper`, `Engine` and `sequence` together."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import CheckpointError
from hyperdnn.lab import losses
from hyperdnn.lab.train import Checkpoints, Log, Settings, State, fit, sequence

SETTINGS = Settings(iterations=6, batch_size=8, lr=0.02, log_every=2, checkpoint_every=2, device="cpu")


class KilledError(Exception):
    """Stands for the end of the process."""


def _state(folder):
    torch.manual_seed(1)
    target = hd.Target(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    head = heads.ComponentHead(8, target.layout, component="row")
    hypernet = hd.Hypernet(
        encoder=encoders.Table(1, 6), slots=encoders.Slots(head.slots, 3), body=bodies.MLP(9, 8), head=head
    )
    kept = Checkpoints(folder / "kept")
    generator = torch.Generator().manual_seed(2)
    model = hd.HyperDNN(target, hypernet)
    return State(model=model, config=None, generator=generator, checkpoints=kept, resumed=kept.latest())


def _grow(model, state):
    """More rows, slots and output maps, and something drawn, with each task."""
    if state.task:
        assert model.hypernet.encoder.grow() == range(state.task, state.task + 1)
        model.resize("1", 2 + state.task)
    state.memory = losses.remember(model.hypernet, torch.arange(state.task)) if state.task == 1 else state.memory
    state.record["calls"] = [*state.record.get("calls", []), (state.task, state.step)]


def _step(model, batch, state, *, until=None):
    if state.step == until:
        raise KilledError
    return {"loss": F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets)}


def _evaluate(model, task):
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs, context=batch.context).argmax(-1) == batch.targets).float().mean().item()}


def _run(folder, tasks, *, until=None, grow=_grow):
    state = _state(folder)
    step = partial(_step, until=until)
    try:
        outcome = sequence(state, tasks, SETTINGS, step=step, evaluate=_evaluate, log=Log(), before_task=grow)
    except KilledError:
        return None
    return state, outcome


def test_a_model_that_grew_goes_on_as_large_as_it_was(tasks, tmp_path):
    whole, expected = _run(tmp_path / "whole", tasks)
    for until in (7, 9, 12, 15, 17):  # in the second task before its first checkpoint, after it, and in the third
        assert _run(tmp_path / "killed", tasks, until=until) is None
    resumed, outcome = _run(tmp_path / "killed", tasks)
    assert outcome == expected
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    assert resumed.record == whole.record
    assert resumed.record["calls"] == [(0, 0), (1, 6), (2, 12)]  # what growing anew has noted is forgotten
    assert resumed.model.hypernet.encoder.contexts == 3


def test_a_model_that_did_not_grow_is_not_made_to(tasks, tmp_path):
    calls = []

    def note(model, state):
        calls.append(state.task)

    def run(until=None):
        return _run(tmp_path, tasks[:1] * 2, until=until, grow=note)

    assert run(until=9) is None
    assert run() is not None
    assert calls == [0, 1]


def test_a_model_that_cannot_be_made_as_large_is_refused(tasks, tmp_path):
    def once(model, state):
        if state.task and state.resumed is None:  # what no task says
            _grow(model, state)

    assert _run(tmp_path, tasks, until=9, grow=once) is None
    with pytest.raises(
        CheckpointError, match=r"does not fit this model: '.*rows\.1' is \(6,\) in it, but absent.*before_task do that"
    ):
        _run(tmp_path, tasks, grow=once)


def test_a_model_that_grows_in_the_middle_of_a_task_is_refused(tasks, tmp_path):
    def step(model, batch, state):
        if state.step == 3:
            model.hypernet.encoder.grow()
        if state.step == 5:
            raise KilledError
        return _step(model, batch, state)

    with pytest.raises(KilledError):
        fit(_state(tmp_path), tasks[0], SETTINGS, step=step, evaluate=_evaluate, log=Log())
    with pytest.raises(CheckpointError, match=r"must be as large before it goes on.*build the model that large"):
        fit(_state(tmp_path), tasks[0], SETTINGS, step=step, evaluate=_evaluate, log=Log())
