import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Task, load, permuted, split


@pytest.fixture(scope="module")
def digits() -> Task:
    return load("digits")


def test_first_permuted_task_is_the_set_itself(digits: Task) -> None:
    first = permuted(digits, tasks=2, seed=0)[0]
    assert first.test[:].inputs.equal(digits.test[:].inputs)


def test_permuted_tasks_hold_the_same_pixels_in_other_places(digits: Task) -> None:
    plain, second, third = (task.test[:].inputs.flatten(1) for task in permuted(digits, tasks=3, seed=0))
    assert not plain.equal(second)
    assert not second.equal(third)
    assert plain.sort().values.equal(second.sort().values)


def test_one_order_for_all_parts_of_a_task(digits: Task) -> None:
    task = permuted(digits, tasks=2, seed=0)[1]
    assert task.train.order is task.validation.order is task.test.order


def test_permuted_tasks_share_memory_and_count_contexts(digits: Task) -> None:
    tasks = permuted(digits, tasks=4, seed=0)
    assert {task.train.stored.data_ptr() for task in tasks} == {digits.train.stored.data_ptr()}
    assert [task.train[:1].context.item() for task in tasks] == [0, 1, 2, 3]
    assert [task.test[:1].context.item() for task in tasks] == [0, 1, 2, 3]
    assert len({task.name for task in tasks}) == 4


def test_orders_depend_on_the_seed_and_not_on_the_number_of_tasks(digits: Task) -> None:
    few, many, other = (
        permuted(digits, tasks=2, seed=5),
        permuted(digits, tasks=6, seed=5),
        permuted(digits, tasks=2, seed=6),
    )
    orders = [tasks[1].train.order for tasks in (few, many, other)]
    assert all(isinstance(order, torch.Tensor) for order in orders)
    assert orders[0].equal(orders[1])
    assert not orders[0].equal(orders[2])


def test_making_tasks_leaves_the_global_generator_alone(digits: Task) -> None:
    state = torch.get_rng_state()
    permuted(digits, tasks=3, seed=0)
    assert torch.get_rng_state().equal(state)


def test_split_deals_out_every_sample_once(digits: Task) -> None:
    tasks = split(digits)
    assert len(tasks) == 5
    assert sum(len(task.train) for task in tasks) == len(digits.train)
    assert sum(len(task.test) for task in tasks) == len(digits.test)
    assert [task.train[:1].context.item() for task in tasks] == [0, 1, 2, 3, 4]
    assert tasks[1].name == "digits 2, 3"


def test_split_counts_labels_from_zero(digits: Task) -> None:
    task = split(digits, classes_per_task=5)[1]
    assert task.classes == 5
    assert task.test.targets.unique().tolist() == [0, 1, 2, 3, 4]
    sixes = digits.test[:].inputs[digits.test.targets == 6]
    assert task.test[:].inputs[task.test.targets == 1].equal(sixes)


@pytest.mark.parametrize("count", [0, 3, 11])
def test_split_refuses_uneven_shares(digits: Task, count: int) -> None:
    with pytest.raises(ConfigError, match=f"divisor of the 10 classes of 'digits', got {count}"):
        split(digits, classes_per_task=count)


def test_permuted_refuses_no_tasks(digits: Task) -> None:
    with pytest.raises(ConfigError, match="tasks: expected 1 or more, got 0"):
        permuted(digits, tasks=0, seed=0)
