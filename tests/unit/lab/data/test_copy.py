import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import permuted_copy


def _tasks(**changes):
    return permuted_copy(**{"tasks": 3, "steps": 4, "width": 2, "sizes": (20, 5, 6), "seed": 0, **changes})


def test_a_pattern_is_read_a_flag_raised_and_the_pattern_written_in_the_tasks_order():
    tasks = _tasks()
    assert [task.train.context for task in tasks] == [0, 1, 2]
    assert [len(part) for part in (tasks[0].train, tasks[0].validation, tasks[0].test)] == [20, 5, 6]
    batch = tasks[0].train[:]
    assert (tasks[0].shape, batch.inputs.shape, batch.targets.shape) == ((9, 3), (20, 9, 3), (20, 4, 2))
    assert batch.inputs[:, :4, :2].equal(batch.targets)
    assert batch.inputs[:, 4].unique(dim=0).tolist() == [[0.0, 0.0, 1.0]]
    assert not batch.inputs[:, 5:].any()
    assert not batch.inputs[:, :4, 2].any()
    assert 0.3 < batch.targets.mean() < 0.7


def test_tasks_differ_in_the_order_alone():
    first, second, third = (task.train[:] for task in _tasks(tasks=3))
    assert first.inputs.equal(second.inputs)
    for other in (second, third):
        order = [int((first.targets == other.targets[:, [i]]).all(-1).all(0).nonzero()[0]) for i in range(4)]
        assert sorted(order) == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(4))
def test_no_order_comes_twice(seed):
    targets = [task.train.targets for task in _tasks(tasks=6, steps=3, seed=seed)]
    assert not any(one.equal(other) for k, one in enumerate(targets) for other in targets[:k])


def test_a_seed_decides_and_more_tasks_leave_the_first_as_they_are():
    one, more, other = _tasks(), _tasks(tasks=5), _tasks(seed=1)
    assert all(a.test.targets.equal(b.test.targets) for a, b in zip(one, more, strict=False))
    assert not one[0].test.targets.equal(other[0].test.targets)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"tasks": 0}, "tasks, steps and width"),
        ({"sizes": (5, 5)}, "three numbers"),
        ({"tasks": 7, "steps": 3}, r"3 steps have 6 orders, got 7 tasks\. Take more steps"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(changes, match):
    with pytest.raises(ConfigError, match=match):
        _tasks(**changes)


def test_nothing_is_drawn_from_the_global_generator():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    _tasks()
    assert torch.get_rng_state().equal(state)
