from dataclasses import dataclass, replace

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Split, Task, load, on_validation, permuted


def _part(value, size=3):
    return Split(stored=torch.full((size, 1, 1, 1), value), targets=torch.zeros(size, dtype=torch.long))


@pytest.fixture
def task():
    return Task(name="toy", train=_part(1.0), validation=_part(2.0), test=_part(3.0), classes=1)


@dataclass(frozen=True)
class Clients:
    tasks: dict[str, Task]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Odd:
    train: Split
    test: Split
    validation: Split | None = None


def test_the_validation_part_takes_the_place_of_the_test_part(task):
    changed = on_validation(task)
    assert changed.test is changed.validation is task.validation
    assert changed.train is task.train
    assert task.test.stored[0].item() == 3.0  # nothing is changed in place


def test_all_tasks_are_reached_wherever_they_are(task):
    other = replace(task, name="other")
    for data, found in (
        ([task, other], lambda data: data),
        ((task, other), lambda data: data),
        ({"a": task, "b": {"c": other}}, lambda data: [data["a"], data["b"]["c"]]),
        (Clients(tasks={"a": task, "b": other}, sizes=(3, 3)), lambda data: list(data.tasks.values())),
    ):
        changed = on_validation(data)
        assert type(changed) is type(data)
        assert [one.name for one in found(changed)] == ["toy", "other"]
        assert all(one.test is task.validation for one in found(changed))


def test_sequences_of_tasks_stay_what_they_are():
    tasks = permuted(load("digits"), tasks=3, seed=0)
    for before, after in zip(tasks, on_validation(tasks), strict=True):
        assert len(after.test) == len(before.validation) == 180
        assert after.test[:].context == before.test[:].context
        assert after.test[:].inputs.equal(before.validation[:].inputs)


@pytest.mark.parametrize("data", [[], None, 3, {"a": [1.0]}, Clients(tasks={}, sizes=())])
def test_data_without_a_test_part_are_refused(data):
    with pytest.raises(ConfigError, match=rf"expected data with a test and a validation .* {type(data).__name__}\."):
        on_validation(data)


def test_data_without_a_validation_part_are_refused(task):
    with pytest.raises(ConfigError, match="'Odd' has a test part, but no validation part to tune on"):
        on_validation(Odd(train=task.train, test=task.test))
    with pytest.raises(ConfigError, match="'toy' has no samples in its validation part: nothing to tune on"):
        on_validation([task, replace(task, validation=_part(0.0, size=0))])
