import pytest
import torch
from torch import nn

from hyperdnn import lab
from hyperdnn.errors import ConfigError


def _state(step: int) -> lab.train.State:
    model = nn.Linear(2, 1)
    optimizer = lab.train.Settings(lr=0.5).make_optimizer(model.parameters())
    return lab.train.State(model=model, config=None, generator=torch.Generator(), optimizer=optimizer, step=step)


@pytest.mark.parametrize(
    ("step", "every", "expected"), [(0, 2.5, 0.2), (2, 2.5, 0.2), (3, 2.5, 0.1), (5, 2.5, 0.05), (4, 0.5, 0.2 / 256)]
)
def test_the_rate_falls_after_each_pass(step: int, every: float, expected: float) -> None:
    state = _state(step)
    for _ in range(2):  # what is set does not depend on what was set
        lab.train.decay_lr(state, 0.2, 0.5, every=every)
    assert [group["lr"] for group in state.optimizer.param_groups] == pytest.approx([expected])


def test_one_keeps_the_rate() -> None:
    state = _state(10**6)
    lab.train.decay_lr(state, 0.2, 1.0, every=3)
    assert state.optimizer.param_groups[0]["lr"] == 0.2


def test_the_next_step_is_taken_with_it() -> None:
    state = _state(1)
    before = state.model.weight.detach().clone()
    lab.train.decay_lr(state, 0.2, 0.0, every=1)
    state.model(torch.ones(1, 2)).sum().backward()
    state.optimizer.step()
    assert state.model.weight.equal(before)


def test_there_must_be_an_optimiser() -> None:
    state = _state(0)
    state.optimizer = None
    with pytest.raises(ConfigError, match="decay_lr: there is no optimiser before training"):
        lab.train.decay_lr(state, 0.2, 0.5, every=1)
