import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import folds
from hyperdnn.lab.data._folds import parts


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


@given(st.lists(st.integers(4, 30), min_size=1, max_size=3), st.integers(2, 4), st.integers(0, 99))
def test_every_label_is_dealt_out_evenly(counts, num, seed):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    found = folds(labels, num, generator=_generator(seed))
    for label, count in enumerate(counts):
        sizes = found[labels == label].bincount(minlength=num)
        assert len(sizes) == num
        assert sizes.sum() == count
        assert sizes.max() - sizes.min() <= 1


def test_the_generator_alone_decides():
    labels = torch.arange(40) % 3
    first, again, other = (folds(labels, 4, generator=_generator(seed)) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


def test_shares_hold_for_every_label():
    labels = torch.tensor([0] * 80 + [1] * 20)
    found = parts(labels, [0.7, 0.3], generator=_generator())
    assert [int(found[labels == label].sum()) for label in (0, 1)] == [24, 6]
    assert parts(labels, [1.0, 0.0], generator=_generator()).unique().tolist() == [0]


@pytest.mark.parametrize("num", [1, 4])
def test_folds_that_some_label_cannot_fill_are_refused(num):
    with pytest.raises(ConfigError, match=f"2 to 3, the rarest label's count, got {num}"):
        folds(torch.tensor([0, 0, 0, 0, 1, 1, 1]), num, generator=_generator())


@pytest.mark.parametrize("shares", [[0.5, 0.4], [1.5, -0.5], []])
def test_shares_must_add_up(shares):
    with pytest.raises(ConfigError, match="add up to 1"):
        parts(torch.zeros(4, dtype=torch.long), shares, generator=_generator())
