import json
from dataclasses import replace
from statistics import fmean

import pytest
import torch

from hyperdnn.errors import ConfigError
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


class _Numbers:
    """Data of a recipe's own kind: batches are plain tensors."""

    def __init__(self, values):
        self.values = values
        self.train = self

    def sample(self, size, *, generator):
        return self.values[torch.randint(len(self.values), (size,), generator=generator)]

    def to(self, device):
        return _Numbers(self.values.to(device))


def test_data_of_any_kind_and_arrays_for_figures(state, settings):
    def step(model, batch, state):
        return {"loss": model(batch).square().mean()}

    def evaluate(model, data):
        losses = model(data.values).square().mean(-1)
        return {"loss": losses.mean().item(), "losses": losses.tolist()}

    data = _Numbers(torch.randn(32, 4, generator=torch.Generator().manual_seed(0)))
    outcome = fit(state, data, settings, step=step, evaluate=evaluate, log=Log(None))
    assert len(outcome.arrays["losses"]) == 32
    assert outcome.metrics == {"loss": pytest.approx(fmean(outcome.arrays["losses"]))}


def test_the_rate_follows_its_schedule_from_the_first_step_on(state, settings, tasks, evaluate):
    seen = []

    def step(model, batch, state):
        seen.append(state.optimizer.param_groups[0]["lr"])
        return {"loss": model(batch.inputs).square().mean()}

    settings = replace(settings, iterations=4, lr=0.2, schedule="cosine")
    fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(None))
    assert seen == pytest.approx([settings.rate(done / 4) for done in range(4)])
    assert seen[0] == 0.2 > seen[1] > seen[2] > seen[3] > 0


def test_a_model_without_parameters_is_only_evaluated(state, settings, step, evaluate, tasks):
    state.model = torch.nn.Flatten()
    outcome = fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(None))
    assert state.step == 0
    assert outcome.metrics.keys() == {"accuracy"}


def test_a_frozen_model_is_an_error(state, settings, step, evaluate, tasks):
    state.model.requires_grad_(False)
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        fit(state, tasks[0], settings, step=step, evaluate=evaluate, log=Log(None))
