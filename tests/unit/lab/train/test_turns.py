import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import Checkpoints, Log, Settings, State, Turn, fit, in_turns

SETTINGS = Settings(iterations=7, batch_size=4, lr=0.1, log_every=2, checkpoint_every=None, device="cpu")


class Numbers:
    """Batches that say nothing: the players look at each other."""

    @property
    def train(self):
        return self

    def sample(self, size, *, generator):
        return torch.rand((), generator=generator)

    def to(self, device):
        return self


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer, self.fixed = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)
        self.fixed.requires_grad_(False)


def _state(**more):
    torch.manual_seed(1)
    config = SimpleNamespace(times=2, outer_lr=0.01)
    return State(model=Pair(), config=config, generator=torch.Generator().manual_seed(2), **more)


def _inner(model, batch, state):
    return {"loss": (model.inner.weight - model.outer.weight - batch).square().sum(), "inner": batch}


def _outer(model, batch, state):
    return {"loss": (model.inner.weight * model.outer.weight + model.fixed.weight * batch - 1).square().sum()}


TURNS = (
    Turn(part="inner", step=_inner, times=lambda config: config.times),
    Turn(part="outer", step=_outer, lr=lambda config: config.outer_lr),
)


def _run(state, turns=TURNS, settings=SETTINGS):
    return fit(state, Numbers(), settings, step=in_turns(*turns), evaluate=lambda model, data: {}, log=Log())


def _by_hand(iterations):
    """Two optimisers, one for each player, whose gradients are taken apart."""
    model, generator = _state().model, torch.Generator().manual_seed(2)
    ours = torch.optim.Adam(model.inner.parameters(), lr=0.1)
    theirs = torch.optim.Adam(model.outer.parameters(), lr=0.01)
    for iteration in range(iterations):
        batch = torch.rand((), generator=generator)
        step, part, optimizer = (_outer, model.outer, theirs) if iteration % 3 == 2 else (_inner, model.inner, ours)
        part.weight.grad = torch.autograd.grad(step(model, batch, None)["loss"], part.weight)[0]
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("iterations", [2, 3, 4, 7])
def test_turns_are_what_two_optimisers_do_by_hand(iterations):
    state = _state()
    _run(state, settings=replace(SETTINGS, iterations=iterations))
    for name, value in _by_hand(iterations).items():
        torch.testing.assert_close(state.model.state_dict()[name], value)


def test_what_is_not_at_it_gets_no_gradient_and_can_be_trained_afterwards():
    state = _state()
    step, batch = in_turns(*TURNS), torch.tensor(0.5)
    for state.step, part in enumerate(("inner", "inner", "outer", "inner")):
        state.model.zero_grad()
        step(state.model, batch, state)["loss"].backward()
        reached = {name for name, parameter in state.model.named_parameters() if parameter.grad is not None}
        assert reached == {f"{part}.weight"}
        trained = {name.partition(".")[0] for name, one in state.model.named_parameters() if one.requires_grad}
        assert trained == {"inner", "outer"}  # what was frozen before stays so


def test_a_failing_step_leaves_everything_trainable():
    def failing(model, batch, state):
        raise ArithmeticError

    state = _state()
    with pytest.raises(ArithmeticError):
        in_turns(Turn(part="inner", step=failing))(state.model, torch.tensor(0.0), state)
    assert state.model.outer.weight.requires_grad


def test_a_resumed_training_goes_on_with_the_turn_and_its_rate(tmp_path):
    settings, whole = replace(SETTINGS, checkpoint_every=4), _state()
    _run(whole, settings=settings)
    first = _state(checkpoints=Checkpoints(tmp_path))
    _run(first, settings=replace(settings, iterations=4))
    found = first.checkpoints.latest()
    second = _state(checkpoints=Checkpoints(tmp_path), resumed=found)
    _run(second, settings=settings)
    for name, value in whole.model.state_dict().items():
        assert second.model.state_dict()[name].equal(value)


def test_without_an_optimiser_there_is_no_rate_to_set():
    state = _state()
    assert in_turns(*TURNS)(copy.deepcopy(state.model), torch.tensor(0.5), state)["loss"].requires_grad


@pytest.mark.parametrize(
    ("turn", "match"),
    [
        (Turn(part="iner", step=_inner), r"Turn\(part='iner'\): the model has no such part"),
        (Turn(part="fixed", step=_inner), r"Turn\(part='fixed'\): nothing to train there"),
        (Turn(part="inner", step=_inner, times=lambda config: 0), r"Turn\(part='inner'\): expected 1 step or more"),
    ],
)
def test_turns_without_sense_are_refused(turn, match):
    state = _state()
    with pytest.raises(ConfigError, match=match):
        in_turns(turn)(state.model, torch.tensor(0.5), state)


def test_nobody_to_play_is_refused():
    with pytest.raises(ConfigError, match="in_turns: expected at least one Turn"):
        in_turns()


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr("hyperdnn.lab.train._turns.number", lambda: 2)
    state = _state()
    with pytest.raises(ConfigError, match=r"train\.devices: players take turns in one process"):
        in_turns(*TURNS)(state.model, torch.tensor(0.5), state)
