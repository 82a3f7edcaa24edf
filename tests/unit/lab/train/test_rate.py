from types import SimpleNamespace

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import Log, Settings, fit, set_rate, warm_up


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


@pytest.mark.parametrize(("schedule", "steps"), [("constant", 4), ("cosine", 4), ("cosine", 0)])
def test_it_rises_in_equal_parts_to_what_the_schedule_says(state, schedule, steps):
    settings = Settings(iterations=10, lr=0.1, schedule=schedule)
    state.config = SimpleNamespace(train=settings)
    state.optimizer = settings.make_optimizer(state.model.parameters())
    rates = []
    for state.step in range(6):
        warm_up(state, steps)
        rates.append(state.optimizer.param_groups[0]["lr"])
    shares = [0.25, 0.5, 0.75, 1, 1, 1] if steps else [1] * 6
    assert rates == pytest.approx([share * settings.rate(step / 10) for step, share in enumerate(shares)])
