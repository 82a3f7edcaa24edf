from dataclasses import replace

import pytest
from torch import nn

from hyperdnn.planning import Needs
from hyperdnn.planning._advice import advice
from hyperdnn.planning._subject import Subject

PLAIN = Subject.of(nn.Linear(2, 2), "*")
NORMED = Subject.of(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "*")


@pytest.fixture
def small(rows):
    return next(row for row in rows if row.strategy == "chunk-wise (256)")


def _advice(row, subject=PLAIN, needs=None, *, contexts=10, hidden=64):
    return list(advice(row, subject, needs or Needs(), contexts=contexts, hidden=hidden))


def test_an_ordinary_hypernet_needs_none(small):
    assert _advice(small) == []


@pytest.mark.parametrize(("hidden", "better"), [(100, 96), (5, 32), (65, 64)])
def test_widths_are_multiples_of_32(small, hidden, better):
    (line,) = _advice(small, hidden=hidden)
    assert line == f"hidden={hidden} makes poor matrix products: take a multiple of 32, such as {better}."


def test_a_large_head_and_few_contexts_want_a_fused_optimiser(rows):
    (line,) = _advice(rows[0])
    assert "torch.optim.Adam(..., fused=True)" in line
    assert _advice(rows[0], contexts=100) == []


def test_contexts_too_many_for_one_step(small):
    many = replace(small, context_memory=2**20)
    assert _advice(many, contexts=1024) == []
    (line,) = _advice(many, contexts=1025)
    assert "The weights of 1,025 contexts take more memory" in line
    assert _advice(replace(small, context_memory=2**40), contexts=1) == []


def test_running_statistics_want_a_policy(small):
    (line,) = _advice(small, NORMED)
    assert 'buffers="batch" is one of four policies' in line


@pytest.mark.parametrize(
    ("need", "words"),
    [
        ("data_adaptive", r"in place of encoders.Table"),
        ("uncertainty", r"encoders.Noise(32) in place of encoders.Table"),
        ("dynamic_architecture", "with the call build hd.GraphHypernet"),
    ],
)
def test_a_need_says_what_to_put_where(small, need, words):
    (line,) = _advice(small, needs=Needs().answered(need, yes=True))
    assert words in line
    assert _advice(small, needs=Needs().answered(need, yes=False)) == []


def test_a_change_has_a_frozen_base(rows):
    lines = _advice(rows[-1])
    assert "train_base=True" in lines[0]
    assert "attach_lora" in lines[1]
