"""Whole tensors and parts alone; for parts of this process see ``tests/distributed/checks_checkpoints.py``."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._parted import Division, Parts, as_it_is


@given(st.integers(0, 9), st.integers(1, 5), st.integers(1, 5), st.integers(0, 1))
def test_parts_of_any_number_of_processes_are_cut_anew_for_any_other(rows, wrote, reads, dim):
    whole = torch.arange(rows * 3.0).reshape((rows, 3) if dim == 0 else (3, rows))
    shares = [Division(whole, dim, process, wrote).bounds(rows) for process in range(wrote)]
    parts = Parts([whole.narrow(dim, a, b - a) for a, b in shares], tuple(whole.shape), dim)
    assert parts.whole().equal(whole)
    for process in range(reads):
        start, stop = Division(whole, dim, process, reads).bounds(rows)
        assert parts.cut(start, stop).equal(whole.narrow(dim, start, stop - start))
    assert as_it_is(parts, whole).equal(whole)


@given(st.integers(0, 40), st.integers(1, 9))
def test_shares_are_those_of_torch(rows, processes):
    chunks = torch.arange(rows).chunk(processes)
    expected = [chunk.tolist() for chunk in chunks if len(chunk)]
    shares = [Division(torch.empty(0), 0, process, processes).bounds(rows) for process in range(processes)]
    assert [list(range(*share)) for share in shares if share[0] < share[1]] == expected


@pytest.mark.parametrize(
    ("shapes", "shape", "dim"),
    [
        ([(2, 3), (1, 3)], (4, 3), 0),
        ([(2, 3), (2, 2)], (4, 3), 0),
        ([(2, 3), (2,)], (4, 3), 0),
        ([(2, 3), (2, 3)], (4, 3), 2),
        ([(2, 3), (2, 3)], (4, 3), -1),
        ([], (0,), 0),
    ],
)
def test_parts_that_make_no_whole_are_refused(shapes, shape, dim):
    with pytest.raises(CheckpointError, match="do not make a tensor of shape"):
        Parts([torch.zeros(s) for s in shapes], shape, dim)


def test_parts_of_several_types_are_refused():
    with pytest.raises(CheckpointError, match="do not make"):
        Parts([torch.zeros(1), torch.zeros(1, dtype=torch.float64)], (2,), 0)


def test_whole_ones_stay_what_they_are():
    tensor = torch.ones(3)
    assert as_it_is(tensor, torch.zeros(3)) is tensor
