import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Split, Task, scarce


def _task():
    targets = torch.arange(3).repeat_interleave(torch.tensor([6, 4, 5]))
    split = Split(stored=torch.arange(15).reshape(-1, 1, 1, 1), targets=targets, scale=0.5, context=7)
    return Task(name="numbers", train=split, validation=split, test=split, classes=3)


def test_so_many_of_each_class_stay_and_only_training_shrinks():
    source = _task()
    task = scarce(source, per_class=4, seed=0)
    assert task.train.targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert source.train.targets[task.train.stored.flatten()].equal(task.train.targets)
    assert len(task.train.stored.unique()) == 12
    assert (task.train.scale, task.train.context) == (0.5, 7)
    assert task.validation is source.validation
    assert task.test is source.test


def test_the_seed_draws():
    one, same, other = (scarce(_task(), per_class=2, seed=seed).train.stored for seed in (0, 0, 1))
    assert one.equal(same)
    assert not one.equal(other)


@pytest.mark.parametrize("per_class", [0, 5])
def test_more_than_there_are_is_an_error(per_class):
    with pytest.raises(ConfigError, match=f"expected 1 to 4, the fewest .* in 'numbers', got {per_class}"):
        scarce(_task(), per_class=per_class, seed=0)
