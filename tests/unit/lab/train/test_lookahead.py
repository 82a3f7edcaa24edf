from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW, NAdam, RMSprop

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import State

OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "sgd, momentum": lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "sgd, nesterov and decay": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05),
    "adam": lambda p: Adam(p, lr=0.1),
    "adam, decay": lambda p: Adam(p, lr=0.1, weight_decay=0.05),
    "adam, fused": lambda p: Adam(p, lr=0.1, weight_decay=0.05, fused=True),
    "adam, amsgrad": lambda p: Adam(p, lr=0.1, amsgrad=True),
    "adam, maximize": lambda p: Adam(p, lr=0.1, maximize=True),
    "adamw": lambda p: AdamW(p, lr=0.1, weight_decay=0.05),
    "adamw, fused amsgrad": lambda p: AdamW(p, lr=0.1, weight_decay=0.05, amsgrad=True, fused=True),
    "adam, two groups": lambda p: Adam([{"params": p[:1], "lr": 0.3}, {"params": p[1:], "betas": (0.5, 0.6)}]),
    "rmsprop": lambda p: RMSprop(p, lr=0.1, momentum=0.9, centered=True),
    "nadam": lambda p: NAdam(p, lr=0.1),
}


def _state(make, *, dtype=torch.float64):
    model = nn.ModuleDict({"used": nn.Linear(3, 2), "unused": nn.Linear(3, 2), "frozen": nn.Linear(2, 2)}).to(dtype)
    model["frozen"].requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    return State(model=model, config=None, generator=torch.Generator(), optimizer=make(trained))


def _loss(model, step):
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
    return model["frozen"](model["used"](inputs).tanh()).square().sum()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_changes_are_those_that_torch_then_makes(make):
    state = _state(make)
    model, optimizer = state.model, state.optimizer
    for step in range(5):  # the later ones have moments
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        loss = _loss(model, step)
        changes = state.lookahead(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert set(changes) == {"used.weight", "used.bias"}
        for name, p in model.named_parameters():
            change = changes.get(name, torch.zeros(()))
            torch.testing.assert_close(before[name] + change, p.detach(), rtol=0, atol=1e-12)
            assert not change.requires_grad


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_nothing_is_changed(make):
    state = _state(make)
    model, optimizer = state.model, state.optimizer
    for step in range(3):
        loss = _loss(model, step)
        model_before = deepcopy(model.state_dict())
        optimizer_before = deepcopy(optimizer.state_dict())
        gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        state.lookahead(loss)
        torch.testing.assert_close(model.state_dict(), model_before, rtol=0, atol=0)
        torch.testing.assert_close(optimizer.state_dict(), optimizer_before, rtol=0, atol=0)
        assert len(optimizer.state) == len(optimizer_before["state"])
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            assert (p.grad is None) == (gradient is None)
            assert gradient is None or p.grad.equal(gradient)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_hooks_of_the_optimizer_are_not_called():
    state = _state(OPTIMIZERS["adam"])
    calls = []
    state.optimizer.register_step_post_hook(lambda *_: calls.append(1))
    state.lookahead(_loss(state.model, 0))
    assert calls == []


def test_names_are_relative_to_the_part_that_was_asked_for():
    state = _state(OPTIMIZERS["adam"])
    changes = state.lookahead(_loss(state.model, 0), of=state.model["used"])
    whole = state.lookahead(_loss(state.model, 0))
    assert set(changes) == {"weight", "bias"}
    assert changes["bias"].equal(whole["used.bias"])


def test_optimizers_that_search_are_refused():
    state = _state(lambda p: LBFGS(p))
    with pytest.raises(ConfigError, match=r"LBFGS evaluates the loss several times.*Use Adam"):
        state.lookahead(_loss(state.model, 0))


def test_before_training_there_is_nothing_to_ask():
    state = State(model=nn.Linear(1, 1), config=None, generator=torch.Generator())
    with pytest.raises(ConfigError, match="no optimiser before training"):
        state.lookahead(state.model(torch.ones(1)).sum())
