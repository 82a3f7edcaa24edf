from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.planning._strategies import _chunks, _half, strategies
from hyperdnn.planning._subject import Subject


def _found(net, **options):
    found, refused = strategies(Subject.of(net, "*"), **({"hidden": 64, "room": None} | options))
    return {strategy.kind: strategy for strategy in found}, refused


def test_all_strategies_apply_to_an_ordinary_network():
    found, refused = _found(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)))
    assert list(found) == [
        "generate once",
        "multiple heads",
        "low-rank",
        "component-wise (layer)",
        "chunk-wise",
        "component-wise (row)",
        "low-rank change",
    ]
    assert refused == {}


@pytest.mark.parametrize(
    ("net", "reasons"),
    [
        (
            nn.Linear(3, 4, bias=False),
            {
                "multiple heads": "a single tensor",
                "component-wise (layer)": "a single layer",
                "chunk-wise": "12 numbers are no more than one chunk",
                "low-rank (16)": "no matrix is larger than two factors",
                "low-rank change": "its factors are 21 numbers, too many",
            },
        ),
        (nn.LayerNorm(99), {"component-wise (row)": "no layer has several rows", "low-rank change": "no matrix"}),
        (hd.Target(nn.Linear(64, 64)), {"low-rank change": "its combine is Replace. Plan for the plain module"}),
        (hd.Target(nn.Linear(64, 64), combine=targets.Scale()), {"low-rank change": "its combine is Scale"}),
    ],
)
def test_what_does_not_apply_says_why(net, reasons):
    found, refused = _found(net)
    for name, reason in reasons.items():
        assert reason in refused[name]
        assert name.partition(" (16)")[0] not in found


def _layout(numel: int) -> ParamLayout:
    return ParamLayout((ParamSpec(name="w", shape=(numel,)),))


@given(numel=st.integers(1, 10**9), hidden=st.integers(1, 300), room=st.none() | st.integers(-100, 10**7))
@settings(max_examples=60, deadline=None)
def test_chunks_are_multiples_of_32_that_leave_something_to_another_slot(numel, hidden, room):
    sizes = _chunks(_layout(numel), hidden, room)
    assert all(size % 32 == 0 and 0 < size < numel for size in sizes)
    assert sizes == sorted(set(sizes), reverse=True)
    assert bool(sizes) == (numel > 32) or room is not None


@pytest.mark.parametrize("numel", [300, 6_090, 272_474])
def test_the_smallest_chunk_makes_the_smallest_hypernet(numel):
    def cost(size: int) -> int:
        return 65 * size + 32 * -(-numel // size)

    smallest = _chunks(_layout(numel), 64, None)[-1]
    assert cost(smallest) <= 1.03 * min(cost(size) for size in range(32, numel, 32))


def test_the_room_is_filled():
    net = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 100))
    layout = ParamLayout.of(net)
    for room in (25_000, 100_000, 400_000):
        size = max(size for size in _chunks(layout, 64, room) if size not in _chunks(layout, 64, None))
        filled = [hd.heads.ChunkedHead(64, layout, chunk) for chunk in (size, size + 32)]
        costs = [sum(p.numel() for p in head.parameters()) + 32 * head.slots for head in filled]
        assert costs[0] <= room < costs[1]


@pytest.mark.parametrize("widths", [(784, 256, 256, 10), (900, 900, 900)])
def test_half_is_the_chunk_of_the_one_line_maker(widths):
    net = nn.Sequential(*[nn.Linear(a, b) for a, b in pairwise(widths)])
    layout = ParamLayout.of(net)
    model = hd.HyperDNN.for_tasks(net, num_tasks=2)
    assert model.hypernet.head.chunk == _half(layout, 64)
