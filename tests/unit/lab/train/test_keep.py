import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses import output_change
from hyperdnn.lab.train import State, change_of_earlier_tasks, keep_earlier_tasks


@pytest.fixture
def state() -> State:
    model = hd.HyperDNN.for_tasks(nn.Linear(2, 3), num_tasks=3, hidden=4, features=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    return State(model=model, config=None, generator=torch.Generator().manual_seed(0), optimizer=optimizer, task=2)


def test_earlier_tasks_are_frozen_and_remembered(state):
    keep_earlier_tasks(state.model, state)
    rows = state.model.hypernet.encoder.rows
    assert [row.requires_grad for row in rows] == [False, False, True]
    assert state.memory.contexts.tolist() == [0, 1]
    assert state.memory.weights["weight"].equal(state.model.generate(torch.arange(2))["weight"])


def test_the_change_is_measured_where_the_step_would_lead(state):
    keep_earlier_tasks(state.model, state)
    loss = state.model(torch.ones(4, 2), context=torch.tensor(2)).square().mean()
    changes = state.lookahead(loss, of=state.model.hypernet)
    expected = output_change(state.model.hypernet, state.memory, changes=changes)
    assert change_of_earlier_tasks(state.model, state, loss).equal(expected)
    assert expected > 0
    assert change_of_earlier_tasks(state.model, state, loss, lookahead=False).item() == 0


def test_some_tasks_are_drawn_from_the_states_generator(state):
    keep_earlier_tasks(state.model, state)
    before = state.generator.get_state()
    loss = state.model(torch.ones(4, 2), context=torch.tensor(2)).square().mean()
    change_of_earlier_tasks(state.model, state, loss, num=1)
    assert not state.generator.get_state().equal(before)


def test_the_first_task_has_none_before_it(state):
    state.task = 0
    keep_earlier_tasks(state.model, state)
    loss = state.model(torch.ones(4, 2), context=torch.tensor(0)).square().mean()
    assert change_of_earlier_tasks(state.model, state, loss).item() == 0


def test_what_is_kept_may_be_a_measure_of_the_weights(state):
    def doubled(weights):
        return {name: 2 * tensor for name, tensor in weights.items()}

    keep_earlier_tasks(state.model, state, measure=doubled)
    loss = state.model(torch.ones(4, 2), context=torch.tensor(2)).square().mean()
    found = change_of_earlier_tasks(state.model, state, loss, measure=doubled)
    keep_earlier_tasks(state.model, state)
    torch.testing.assert_close(found, 4 * change_of_earlier_tasks(state.model, state, loss))


def test_a_loop_without_the_hook_is_told_of_it(state):
    with pytest.raises(ConfigError, match=r"before_task=lab\.train\.keep_earlier_tasks"):
        change_of_earlier_tasks(state.model, state, torch.zeros(()))
