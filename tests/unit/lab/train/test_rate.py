import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import Log, fit, set_rate


def test_it_is_the_rate_of_all_parameters(state):
    weight, bias = state.model.parameters()
    state.optimizer = torch.optim.SGD([{"params": [weight]}, {"params": [bias], "lr": 2.0}], lr=1.0)
    set_rate(state, 0.25)
    assert [group["lr"] for group in state.optimizer.param_groups] == [0.25, 0.25]


def test_the_step_that_sets_it_is_taken_at_it(state, settings, step, evaluate, tasks):
    before = [p.detach().clone() for p in state.model.parameters()]

    def still(model, batch, state):
        set_rate(state, 0.0)
        return step(model, batch, state)

    fit(state, tasks[0], settings, step=still, evaluate=evaluate, log=Log(None))
    assert all(p.equal(old) for p, old in zip(state.model.parameters(), before, strict=True))


def test_there_must_be_an_optimiser(state):
    with pytest.raises(ConfigError, match="no optimiser before training"):
        set_rate(state, 0.1)
