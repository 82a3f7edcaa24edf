import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.lab.spaces import Banks, Op

SMALL = Banks(ops=(1, 2), size=2, inputs=2, memory=4, width=2, kernels=(1, 3), dilations=2)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def space(more):
    """Any space, small."""
    return Banks(
        ops=tuple(more.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))),
        size=more.draw(st.integers(1, 3)),
        width=(width := more.draw(st.integers(1, 3))),
        inputs=(inputs := width + more.draw(st.integers(0, 2))),
        memory=inputs + more.draw(st.integers(0, 4)),
        kernels=tuple(more.draw(st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3, unique=True))),
        dilations=more.draw(st.integers(1, 3)),
    )


@settings(max_examples=20, deadline=None)
@given(st.data(), st.integers(0, 99), st.floats(0, 1))
def test_every_architecture_reads_what_is_there_and_writes_new_banks_in_turn(more, seed, reads):
    banks = space(more)
    plan = banks.draw(seeded(seed), reads=reads)
    assert [op.block for op in plan] == [block for block, count in enumerate(banks.ops) for _ in range(count)]
    block = -1
    for op in plan:
        if op.block != block:
            block, there = op.block, banks.inputs
        assert list(op.reads) == sorted(set(op.reads))
        assert 1 <= len(op.reads) <= max(1, int(reads * there))
        assert set(op.reads) <= set(range(there))
        assert list(op.writes) == sorted(set(op.writes))
        assert 1 <= len(op.writes) <= banks.width
        new = [bank for bank in op.writes if bank >= there]
        assert new == list(range(there, there + len(new)))
        there += len(new)
        assert there <= banks.memory
        assert op.kernel in banks.kernels
        assert 1 <= op.dilation <= banks.dilations


def test_all_that_is_allowed_is_drawn():
    plans = [SMALL.draw(seeded(seed)) for seed in range(100)]
    ops = [op for plan in plans for op in plan]
    assert {op.kernel for op in ops} == {1, 3}
    assert {op.dilation for op in ops} == {1, 2}
    assert {len(op.writes) for op in ops} == {1, 2}
    assert {op.reads for op in ops if op.block == 0} == {(0,), (1,), (0, 1)}
    assert {op.writes for op in ops if op.block == 0} == {(0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (2, 3)}
    assert any(op.writes == (3,) for op in ops)  # as a third operation may


def test_without_sums_all_banks_that_are_written_are_new():
    banks = Banks(ops=(1, 2), size=2, inputs=2, memory=6, width=2, sums=False)
    for seed in range(20):
        plan = banks.draw(seeded(seed))
        ends = [2 if index < 2 else plan[1].writes[-1] + 1 for index in range(3)]
        assert all(op.writes == tuple(range(end, end + len(op.writes))) for op, end in zip(plan, ends, strict=True))


def test_fewer_kernels_and_banks_are_allowed_in_the_beginning():
    ops = [op for seed in range(50) for op in SMALL.draw(seeded(seed), reads=0.5, kernels=1)]
    assert {op.kernel for op in ops} == {1}
    assert max(len(op.reads) for op in ops) == 2
    assert max(len(op.reads) for op in ops if op.block == 0) == 1


def test_the_same_generator_draws_the_same():
    assert SMALL.draw(seeded(3)) == SMALL.draw(seeded(3))
    assert SMALL.draw(seeded(3)) != SMALL.draw(seeded(4))


def test_the_encoding_by_hand():
    first = Op(block=0, reads=(1,), writes=(2,), kernel=3, dilation=2)
    second = Op(block=1, reads=(0, 1), writes=(0, 1), kernel=1, dilation=1)
    image = SMALL.encode((first, second)).unflatten(2, (2, 4))
    holds = {
        (feature, row, op, bank)
        for feature, row, op, bank in (image == 1).nonzero().tolist()
        for feature in [SMALL.features[feature]]
    }
    assert set(image.unique().tolist()) == {-1.0, 1.0}
    expected = {(f, 0, 0, 1) for f in ("read 1", "write 2", "block 0", "width 1", "kernel 3", "dilation 2")}
    for bank in (0, 1):
        said = (f"read {bank}", "write 0", "write 1", "block 1", "width 2", "kernel 1", "dilation 1")
        expected |= {(f, row, 1, bank) for f in said for row in (0, 1)}
    assert holds == expected


@settings(max_examples=20, deadline=None)
@given(st.data(), st.integers(0, 99))
def test_no_two_architectures_have_the_same_encoding(more, seed):
    banks = space(more)
    one, other = (banks.draw(seeded(k)) for k in (seed, seed + 1))
    assert banks.encode(one).shape == (len(banks.features), banks.width, len(one) * banks.memory)
    assert banks.encode(one).equal(banks.encode(other)) == (one == other)


def test_the_widest_reads_all_and_has_the_largest_kernel():
    for op in SMALL.widest():
        assert (op.reads, op.writes, op.kernel) == ((0, 1, 2, 3), (2, 3), 3)
    assert [op.block for op in SMALL.widest()] == [0, 1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": (3, 4)}, r"kernels: expected odd sides, so that images keep theirs, got \(3, 4\)"),
        ({"width": 3}, "expected width <= inputs <= memory, got 3, 2 and 4: an operation that writes to no new bank"),
        ({"sums": False, "memory": 5}, "memory: without sums expected 6 or more, so that all can be new, got 5"),
        ({"inputs": 5}, "expected width <= inputs <= memory, got 2, 5 and 4"),
        ({"ops": (1, 0)}, r"ops: expected 1 or more, got \(1, 0\)"),
        ({"ops": ()}, r"expected at least one block and one kernel, got ops=\(\)"),
        ({"kernels": ()}, r"expected at least one block and one kernel.*kernels=\(\)"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(changes, message):
    numbers = {"ops": (1, 2), "size": 2, "inputs": 2, "memory": 4, "width": 2, "kernels": (1, 3), "dilations": 2}
    with pytest.raises(ConfigError, match=message):
        Banks(**{**numbers, **changes})
