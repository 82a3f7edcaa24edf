from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.train import Checkpoints, Log, Settings, Stage, State, TrainingError, stages

SETTINGS = Settings(iterations=6, batch_size=4, lr=0.1, log_every=2, checkpoint_every=None, device="cpu")


@dataclass
class Numbers:
    values: torch.Tensor

    @property
    def train(self):
        return self

    def sample(self, size, *, generator):
        return self.values[torch.randint(len(self.values), (size,), generator=generator)]

    def to(self, device):
        return Numbers(self.values.to(device))


@pytest.fixture
def data():
    return Numbers(torch.randn(16, 3, generator=torch.Generator().manual_seed(0)))


def _state(**more):
    torch.manual_seed(1)
    model = nn.ModuleDict({"base": nn.Linear(3, 3), "reader": nn.Linear(3, 1), "fixed": nn.Linear(3, 3)})
    model["fixed"].requires_grad_(False)
    config = SimpleNamespace(short=replace(SETTINGS, iterations=3))
    return State(model=model, config=config, generator=torch.Generator().manual_seed(2), **more)


def _base_step(model, batch, state):
    return {"loss": (model["base"](batch) - batch).square().mean()}


def _step(model, batch, state):
    return {"loss": (model["reader"](batch) - 1).square().mean()}


def _read(model, data):
    assert not torch.is_grad_enabled()
    return Numbers(model["base"](model["fixed"](data.values)))


def _evaluate(model, data):
    return {"error": model["reader"](_read(model, data).values).square().mean().item(), "rows": data.values.tolist()}


PLAN = (Stage(part="base", step=_base_step), Stage(part="reader", data=_read, settings=lambda config: config.short))
run = partial(stages, settings=SETTINGS, step=_step, evaluate=_evaluate, plan=PLAN)


def _weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_each_stage_trains_its_part_on_its_own_data(data):
    state, seen = _state(), []
    start = _weights(state.model)

    def watched(step, model, batch, state):
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        seen.append((state.task, trained, batch, _weights(model), state.optimizer))
        return step(model, batch, state)

    plan = [replace(stage, step=partial(watched, stage.step or _step)) for stage in PLAN]
    outcome = run(state, data, log=Log(), plan=plan)
    assert [task for task, *_ in seen] == [0] * 6 + [1] * 3
    assert seen[0][1] == {"base.weight", "base.bias"}
    assert seen[-1][1] == {"reader.weight", "reader.bias"}
    assert seen[0][4] is not seen[-1][4]
    before_second = seen[6][3]
    assert not before_second["base.weight"].equal(start["base.weight"])
    for name, value in state.model.state_dict().items():
        assert value.equal(before_second[name]) == (not name.startswith("reader"))
    rows = _no_grad_read(state.model, data)
    assert all((rows == row).all(-1).any() for row in seen[6][2])
    assert outcome.metrics.keys() == {"error"}
    assert outcome.arrays.keys() == {"rows"}


@torch.no_grad()
def _no_grad_read(model, data):
    return _read(model, data).values


def test_what_could_be_trained_before_can_be_trained_again(data):
    state = _state()
    run(state, data, log=Log())
    frozen = {name for name, parameter in state.model.named_parameters() if not parameter.requires_grad}
    assert frozen == {"fixed.weight", "fixed.bias"}


def test_a_stage_may_stop_early(data):
    state, looks = _state(), []

    def validate(model, made):
        looks.append(made.values)
        return 1.0 + len(looks)

    settings = replace(SETTINGS, iterations=50, patience=4, validate_every=2)
    plan = (
        replace(PLAN[0], settings=lambda config: SETTINGS),
        Stage(part="reader", data=_read, validate=validate),
    )
    run(state, data, settings=settings, log=Log(), plan=plan)
    assert state.step == 6 + 6
    assert looks[0].equal(_no_grad_read(state.model, data))


@pytest.mark.parametrize("until", [1, 3, 7, 8])
def test_killed_in_any_stage_it_ends_as_if_it_had_been_let_be(until, data, tmp_path):
    settings = replace(SETTINGS, checkpoint_every=2)
    whole = _state()
    outcome = run(whole, data, settings=settings, log=Log(tmp_path / "whole.jsonl"))

    def dying(step, model, batch, state):
        if state.step == until:
            raise TrainingError("killed")
        return step(model, batch, state)

    config = SimpleNamespace(short=replace(settings, iterations=3))
    killed = _state(checkpoints=Checkpoints(tmp_path / "kept"))
    killed.config = config
    plan = [replace(stage, step=partial(dying, stage.step or _step)) for stage in PLAN]
    log = Log(tmp_path / "killed.jsonl")
    with pytest.raises(TrainingError, match="killed"):
        run(killed, data, settings=settings, log=log, plan=plan)
    found = Checkpoints(tmp_path / "kept").latest()
    resumed = _state(checkpoints=killed.checkpoints, resumed=found)
    resumed.config = config
    if found is None:
        log.rewind(0)
    assert run(resumed, data, settings=settings, log=log) == outcome
    assert (resumed.step, resumed.task) == (whole.step, whole.task)
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    assert (tmp_path / "whole.jsonl").read_text() == (tmp_path / "killed.jsonl").read_text()


def test_a_checkpoint_of_another_plan_is_refused(data, tmp_path):
    settings = replace(SETTINGS, checkpoint_every=4)
    state = _state(checkpoints=Checkpoints(tmp_path))
    state.config = SimpleNamespace(short=settings)
    run(state, data, settings=settings, log=Log())
    again = _state(resumed=Checkpoints(tmp_path).latest())
    with pytest.raises(CheckpointError, match="is of stage 2, but the plan has 1"):
        run(again, data, settings=settings, log=Log(), plan=PLAN[:1])


def test_plans_that_cannot_be_followed_are_refused(data):
    with pytest.raises(ConfigError, match="at least one Stage"):
        run(_state(), data, log=Log(), plan=())
    with pytest.raises(ConfigError, match=r"part='bass'.*no such part"):
        run(_state(), data, log=Log(), plan=[Stage(part="bass")])
    with pytest.raises(ConfigError, match="nothing to train"):
        run(_state(), data, log=Log(), plan=[Stage(part="fixed")])
    with pytest.raises(ConfigError, match="stages are trained in one process"):
        run(_state(), data, log=Log(), settings=replace(SETTINGS, devices=2))


def _shrink(model, data):
    assert not torch.is_grad_enabled()
    assert not model.training
    scale = torch.rand(()) / (1 + model["base"](data.values).abs().mean())  # by what was learnt, and by luck
    model["reader"].weight.mul_(scale)


@pytest.mark.parametrize("until", [1, 6, 7])
def test_what_a_stage_is_prepared_by_is_done_once_however_often_it_is_killed(until, data, tmp_path):
    settings = replace(SETTINGS, checkpoint_every=1)
    prepared = []

    def prepare(model, data):
        prepared.append(model["reader"].weight.clone())
        _shrink(model, data)

    plan = (PLAN[0], Stage(part="reader", data=_read, prepare=prepare))
    whole = _state()
    outcome = run(whole, data, settings=settings, log=Log(), plan=plan)
    assert len(prepared) == 1  # not in the first stage

    def dying(step, model, batch, state):
        if state.step == until:
            raise TrainingError("killed")
        return step(model, batch, state)

    killed = _state(checkpoints=Checkpoints(tmp_path))
    mortal = [replace(stage, step=partial(dying, stage.step or _step)) for stage in plan]
    with pytest.raises(TrainingError, match="killed"):
        run(killed, data, settings=settings, log=Log(), plan=mortal)
    resumed = _state(checkpoints=killed.checkpoints, resumed=Checkpoints(tmp_path).latest())
    assert run(resumed, data, settings=settings, log=Log(), plan=plan) == outcome
    assert all(weight.equal(prepared[0]) for weight in prepared)
    assert len(prepared) == (3 if until == 6 else 2)  # before the first checkpoint of a stage, it begins again
