from dataclasses import replace

import pytest

from hyperdnn.lab.train import Checkpoints, Log, fit
from hyperdnn.lab.train._curve import curve_of, recording


def test_the_curve_is_the_mean_of_each_interval(state, tasks, settings, step, evaluate):
    seen = []

    def watched(model, batch, state):
        losses = step(model, batch, state)
        seen.append(losses["task"].item())
        return losses

    outcome = fit(
        state, tasks[0], replace(settings, iterations=25), step=watched, evaluate=evaluate, log=Log(None), curve="task"
    )
    assert len(seen) == 25
    assert outcome.arrays["curve"] == pytest.approx([sum(seen[:10]) / 10, sum(seen[10:20]) / 10])


def test_without_a_name_there_is_none(state, tasks, settings, step, evaluate):
    outcome = fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(None))
    assert outcome.arrays == {}
    assert state.record == {}


def test_before_the_first_interval_ends_it_is_empty(state, tasks, step):
    assert curve_of(state) == []
    recorded = recording(step, "loss", every=3)
    batch = tasks[0].train[:4]
    for _ in range(2):
        recorded(state.model, batch, state)
    assert curve_of(state) == []
    recorded(state.model, batch, state)
    assert len(curve_of(state)) == 1


def test_it_is_part_of_a_checkpoint(state, tasks, settings, step, evaluate, tmp_path):
    state.checkpoints = Checkpoints(tmp_path)
    settings = replace(settings, iterations=15, checkpoint_every=7)
    outcome = fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(None), curve="loss")
    kept = state.checkpoints.latest().value()["record"]["curve"]
    assert kept["batches"] == 4
    assert kept["means"] == outcome.arrays["curve"]
