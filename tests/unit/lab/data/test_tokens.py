import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import PADDING, TaskMixture, Tokens, TokenTask, on_validation, packed

ROWS = torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0], [9, 4, 0, 0]], dtype=torch.int32)


def part(number, *, context=0, length=4):
    return Tokens(
        stored=torch.full((number, length), 3, dtype=torch.int32), targets=torch.zeros(number).long(), context=context
    )


def task(number, index):
    return TokenTask(name=str(index), train=part(number, context=index), validation=part(1), test=part(2), classes=2)


def test_a_batch_is_as_wide_as_its_longest_text():
    tokens = Tokens(stored=ROWS, targets=torch.tensor([0, 1, 2]), context=3)
    batch = tokens[torch.tensor([2, 1])]
    assert batch.inputs.tolist() == [[9, 4], [8, 0]]
    assert batch.inputs.dtype == torch.long
    assert batch.targets.tolist() == [2, 1]
    assert (int(batch.context), batch.context.ndim, batch.total) == (3, 0, 3)
    empty = Tokens(stored=torch.full((1, 4), PADDING, dtype=torch.int32), targets=torch.zeros(1))
    assert empty[:].inputs.shape == (1, 1)
    assert tokens[:0].inputs.shape == (0, 1)


def test_batches_come_once_each_and_by_length():
    tokens = Tokens(stored=ROWS, targets=torch.tensor([0, 1, 2]))
    assert [batch.targets.tolist() for batch in tokens.batches(2)] == [[1, 2], [0]]


def test_few_texts_keep_their_targets():
    tokens = Tokens(stored=torch.arange(1, 41, dtype=torch.int32).view(10, 4), targets=torch.arange(10), context=2)
    whole = TokenTask(name="t", train=tokens, validation=part(1), test=part(2), classes=10)
    few = whole.few(3, generator=torch.Generator().manual_seed(0))
    assert len(few.train) == 3 == len(set(few.train.targets.tolist()))
    assert few.train.stored[:, 0].tolist() == (4 * few.train.targets + 1).tolist()
    assert few.train.context == 2
    assert len(whole.few(30, generator=torch.Generator()).train) == 10


def test_tasks_are_drawn_by_size_and_temperature():
    tasks = (task(10, 0), task(1000, 1))
    at_one = TaskMixture(tasks=tasks, temperature=1.0).shares
    torch.testing.assert_close(at_one, torch.tensor([10 / 1010, 1000 / 1010], dtype=torch.float64))
    at_two = TaskMixture(tasks=tasks, temperature=2.0).shares
    torch.testing.assert_close(at_two, torch.tensor([1 / 11, 10 / 11], dtype=torch.float64))
    capped = TaskMixture(tasks=tasks, temperature=1.0, cap=40).shares  # the cap is taken before the temperature
    torch.testing.assert_close(capped, torch.tensor([0.2, 0.8], dtype=torch.float64))


@settings(max_examples=25)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.floats(1, 100))
def test_shares_sum_to_one_and_larger_tasks_have_more(sizes, temperature):
    tasks = tuple(task(size, index) for index, size in enumerate(sorted(sizes)))
    shares = TaskMixture(tasks=tasks, temperature=temperature).shares.tolist()
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares)


def test_every_batch_is_of_one_task_and_each_comes_as_often_as_its_share():
    mixture = TaskMixture(tasks=(task(10, 0), task(1000, 1)), temperature=2.0)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([mixture.train.sample(2, generator=generator).context for _ in range(2000)])
    assert drawn.shape == (2000,)
    assert drawn.float().mean() == pytest.approx(10 / 11, abs=0.03)
    assert len(mixture.to("cpu").sample(5, generator=generator)) == 5


def test_choosing_settings_never_sees_the_test_part():
    hidden = on_validation(TaskMixture(tasks=(task(3, 0), task(4, 1))))
    assert [len(one.test) for one in hidden.tasks] == [1, 1]


def test_mixtures_that_cannot_be_drawn_from_are_refused():
    with pytest.raises(ConfigError, match="each with texts to learn from"):
        TaskMixture(tasks=())
    with pytest.raises(ConfigError, match="each with texts to learn from"):
        TaskMixture(tasks=(task(0, 0),))
    for temperature in (0.5, float("nan")):
        with pytest.raises(ConfigError, match="temperature of 1 or more, got"):
            TaskMixture(tasks=(task(1, 0),), temperature=temperature)


def test_texts_are_packed_without_padding():
    assert packed([[1, 2, 3], [], [4, 5, 6, 7]], 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert packed([[1]], 3).shape == (0, 3)
