import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.planning import _cost
from hyperdnn.planning._cost import row
from hyperdnn.planning._strategies import strategies
from hyperdnn.planning._subject import Subject


@pytest.fixture(autouse=True)
def _untimed(monkeypatch):
    monkeypatch.setattr(_cost, "time_to_generate", lambda *_: (0.5, True))


def _rows(target, *, contexts=3, hidden=32, room=None, select="*"):
    subject = Subject.of(target, select)
    found = strategies(subject, hidden, room)[0]
    return {strategy.name: row(strategy, subject, contexts=contexts, hidden=hidden) for strategy in found}


def _cnn() -> nn.Module:
    layers = (nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(128, 9))
    return nn.Sequential(*layers)


def _tied() -> nn.Module:
    net = nn.Sequential(nn.Embedding(40, 32), nn.GRU(32, 24, batch_first=True), nn.Linear(32, 40))
    net[2].weight = net[0].weight
    net[1].weight_hh_l0.requires_grad_(False)
    return net


def _attention() -> nn.Module:
    return nn.TransformerEncoderLayer(32, 4, 48, batch_first=True)


@pytest.mark.parametrize("make", [_cnn, _tied, _attention])
@pytest.mark.parametrize("select", ["*", "*weight*"])
def test_counts_are_those_of_the_built_model(make, select):
    for name, found in _rows(make(), select=select, room=20_000).items():
        namespace = {"net": make()}
        exec(found.code, namespace)
        model = namespace["model"]
        assert model.count() == found.count, name
        assert getattr(model.hypernet.head, "unused", 0) == found.unused, name


@given(widths=st.lists(st.integers(1, 40), min_size=2, max_size=4), hidden=st.integers(1, 70))
@settings(max_examples=6, deadline=None)
def test_counts_hold_for_odd_sizes(widths, hidden):
    def make() -> nn.Module:
        return nn.Sequential(*[nn.Linear(a, b) for a, b in pairwise(widths)])

    for found in _rows(make(), contexts=1, hidden=hidden).values():
        namespace = {"net": make()}
        exec(found.code, namespace)
        assert namespace["model"].count() == found.count


@pytest.mark.parametrize("combine", [None, targets.Residual(), targets.Gaussian(), targets.LowRank(2)])
def test_counts_of_a_target_that_exists(combine):
    def make() -> hd.Target:
        return hd.Target(nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5)), "0.*", combine=combine)

    for found in _rows(make()).values():
        namespace = {"target": make()}
        exec(found.code, namespace)
        assert namespace["model"].count() == found.count


def test_operations_by_hand():
    weights, hidden = 8 * 16 + 16 + 16 * 3 + 3, 32
    rows = _rows(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)))
    body, with_slots = 32 * hidden + hidden * hidden, 64 * hidden + hidden * hidden
    assert rows["generate once"].operations == body + hidden * weights
    assert rows["multiple heads"].operations == body + hidden * weights
    assert rows["component-wise (layer)"].operations == 2 * with_slots + hidden * weights
    assert rows["component-wise (row)"].operations == 19 * with_slots + hidden * weights
    assert rows["chunk-wise (64)"].operations == 4 * with_slots + hidden * 4 * 64


def test_operations_of_a_low_rank_change_include_its_product():
    rows = _rows(nn.Linear(64, 48, bias=False))
    factors = 4 * (64 + 48)
    expected = 32 * 32 + 32 * 32 + 32 * factors + 4 * 64 * 48
    assert rows["low-rank change (4)"].operations == expected


def test_memory_by_hand():
    rows = _rows(nn.Linear(64, 48, bias=False, dtype=torch.float64))
    once, change = rows["generate once"], rows["low-rank change (4)"]
    weights, factors = 64 * 48, 4 * (64 + 48)
    assert once.memory == 8 * 4 * once.count.trained
    assert once.context_memory == 8 * 2 * weights
    assert change.memory == 8 * (4 * change.count.trained + weights)  # the frozen base has neither gradient nor moments
    assert change.context_memory == 8 * 2 * (factors + weights)


def test_whole_layers_by_hand():
    # Layers of 12, 12 and 40 numbers: chunks of 32 hold the first two, and cut the third.
    net = nn.Sequential(nn.Linear(2, 4), nn.Linear(5, 2), nn.LayerNorm(20))
    rows = _rows(net)
    assert {rows[name].whole_layers for name in ("generate once", "multiple heads", "component-wise (layer)")} == {3}
    assert rows["chunk-wise (32)"].whole_layers == 2
    assert rows["component-wise (row)"].whole_layers == 1  # only the norm is a single slot


def test_a_change_belongs_to_its_layer():
    net = nn.Sequential(nn.Linear(64, 48), nn.Linear(48, 64))
    assert _rows(net)["low-rank change (4)"].whole_layers == 2


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_an_empty_tensor_harms_nothing():
    net = nn.Sequential(nn.Linear(64, 64), nn.PReLU())
    net[1].weight = nn.Parameter(torch.empty(0, 3))
    for found in _rows(net).values():
        namespace = {"net": copy.deepcopy(net)}
        exec(found.code, namespace)
        assert namespace["model"].count() == found.count


def test_nothing_is_allocated_for_a_large_target():
    with torch.device("meta"):
        net = nn.Sequential(*[nn.Linear(4096, 4096) for _ in range(6)])
    found = _rows(net, hidden=64)["generate once"]
    assert found.count.trained > 6 * 10**9  # 25 GB, had it been built


def test_as_json():
    found = _rows(nn.Linear(8, 8))["generate once"]
    data = found.to_json()
    assert data["trained"] == found.count.trained
    assert data["compression_ratio"] == found.count.compression_ratio
    assert data["seconds"] == 0.5
