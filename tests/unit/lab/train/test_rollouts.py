from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.data import point_mass
from hyperdnn.lab.train import Checkpoints, Log, RolloutSettings, Settings, State, rollouts

SETTINGS = Settings(iterations=30, batch_size=8, lr=0.01, log_every=10, checkpoint_every=7, device="cpu")
HOW = RolloutSettings(start=25, collect=2, updates=3, evaluate_every=10)
WHERE = point_mass(0.9, episodes=2)


class KilledError(Exception):
    """Stands for the end of the process."""


def build(folder=None, how=HOW):
    torch.manual_seed(1)
    kept = folder and Checkpoints(folder / "kept")
    return State(
        model=nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, 2)),
        config=SimpleNamespace(rollouts=how),
        generator=torch.Generator().manual_seed(2),
        checkpoints=kept,
        resumed=kept and kept.latest(),
    )


def act(model, observations, state):
    noise = torch.randn(len(observations), 2, generator=state.generator)
    return (model(observations) + 0.1 * noise).clamp(-1, 1)


def imitate(model, batch, state, *, until=None):
    """Learn to do what is best."""
    if state.step == until:
        raise KilledError
    return {"loss": F.mse_loss(model(batch.observations), WHERE.optimum(batch.observations))}


def evaluate(model, where):
    assert not model.training
    returns = where.test.returns(model)
    return {"return": returns.mean().item(), "zero": 0.0, "returns": returns.tolist()}


def train(state, *, step=imitate, settings=SETTINGS, **kwargs):
    kwargs = {"evaluate": evaluate, "log": Log(None), "act": act, **kwargs}
    return rollouts(state, WHERE, settings, step=step, **kwargs)


def test_the_agent_learns_and_is_measured_on_the_way():
    outcome = train(build(), settings=replace(SETTINGS, iterations=80), area=["return"])
    assert outcome.arrays["trained_for"] == [*range(0, 80, 10), 80]
    assert outcome.arrays["seen"][:4] == [25, 33, 39, 45]  # 2 for each group of 3 iterations that has begun
    curve = outcome.arrays["curve_return"]
    assert outcome.metrics["return"] == curve[-1] > curve[0]
    assert sum(outcome.arrays["curve_returns"][-1]) / 2 == pytest.approx(curve[-1])
    assert set(outcome.metrics) == {"return", "zero", "area_return"}


def test_the_area_is_the_mean_height_of_the_curve():
    heights = iter([0.0, 1.0, 3.0, 5.0])
    outcome = train(
        build(),
        settings=replace(SETTINGS, iterations=25),
        evaluate=lambda model, where: {"height": next(heights)},
        area=["height"],
    )
    assert outcome.arrays["trained_for"] == [0, 10, 20, 25]
    assert outcome.metrics["area_height"] == pytest.approx((10 * 0.5 + 10 * 2 + 5 * 4) / 25)


def test_nothing_is_collected_where_nothing_is_asked_for():
    def never(model, observations, state):
        raise AssertionError

    outcome = train(build(how=replace(HOW, collect=0)), act=never)
    assert set(outcome.arrays["seen"]) == {25}


def test_an_agent_acts_before_it_is_trained_on_it():
    order = []

    def watched(model, observations, state):
        order.append(("act", state.step))
        return act(model, observations, state)

    def step(model, batch, state):
        order.append(("train", state.step))
        assert model.training
        return imitate(model, batch, state)

    train(build(), step=step, act=watched, settings=replace(SETTINGS, iterations=4))
    acts = [("act", 0), ("act", 0), *(("train", k) for k in range(3)), ("act", 3), ("act", 3), ("train", 3)]
    assert order == acts


def test_episodes_that_measure_are_not_learnt_from():
    states = []
    for measure in (evaluate, lambda model, where: {"nothing": 0.0}):
        states.append(build())
        train(states[-1], settings=replace(SETTINGS, iterations=12), evaluate=measure)
    for one, other in zip(*(state.model.parameters() for state in states), strict=True):
        assert one.equal(other)


@pytest.mark.parametrize("until", [8, 14, 15, 20, 27])
def test_what_was_killed_ends_as_if_it_had_not_been(tmp_path, until):
    whole = build(tmp_path / "whole")
    expected = train(whole, area=["return"])
    with pytest.raises(KilledError):
        train(build(tmp_path / "killed"), step=lambda *args: imitate(*args, until=until), area=["return"])
    resumed = build(tmp_path / "killed")
    assert resumed.resumed is not None
    found = train(resumed, area=["return"])
    assert found == expected
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert one.equal(other)
    assert resumed.generator.get_state().equal(whole.generator.get_state())


def test_another_environment_is_not_gone_on_with(tmp_path, monkeypatch):
    with pytest.raises(KilledError):
        train(build(tmp_path), step=lambda *args: imitate(*args, until=15))
    monkeypatch.setattr("hyperdnn.lab.data._point_mass._START", 0.4)
    with pytest.raises(CheckpointError, match="the environment does not come back to where it was"):
        train(build(tmp_path))


def test_without_settings_it_says_which_field_is_missing():
    state = build()
    state.config = SimpleNamespace()
    with pytest.raises(ConfigError, match=r"rollouts: lab\.train\.RolloutSettings = "):
        train(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accumulate": 2}, "train.accumulate: 2, but one iteration draws once"),
        ({"patience": 5}, "no validation loss to stop by"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        train(build(), settings=replace(SETTINGS, **change))
