import pytest
import torch
from torch import nn

from hyperdnn.planning import _measure
from hyperdnn.planning._measure import time_to_generate
from hyperdnn.planning._strategies import strategies
from hyperdnn.planning._subject import Subject


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_measure, "_SECONDS", 0.001)


def _net(dtype=torch.float32) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_strategy_is_measured(dtype):
    subject = Subject.of(_net(dtype), "*")
    for strategy in strategies(subject, 32, None)[0]:
        seconds, measured = time_to_generate(strategy, subject, 32, 10**6)
        assert measured
        assert 0 < seconds < 1


def test_random_generators_are_left_alone():
    subject = Subject.of(_net(), "*")
    state = torch.get_rng_state()
    for strategy in strategies(subject, 32, None)[0]:
        time_to_generate(strategy, subject, 32, 10**6)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_large_one_is_estimated_from_its_operations(monkeypatch):
    monkeypatch.setattr(_measure, "MEASURED_LIMIT", 1000)
    monkeypatch.setattr(_measure, "_median", lambda run, _: float(run() is not None))  # the probe takes a second
    subject = Subject.of(_net(), "*")
    found = {strategy.name: strategy for strategy in strategies(subject, 32, None)[0]}
    weights = 2 * 64 * 65
    assert time_to_generate(found["generate once"], subject, 32, 32 * weights) == (1.0, False)
    # Two layers of equal shape are two rows of one product.
    assert time_to_generate(found["component-wise (layer)"], subject, 32, 64 * weights) == (2.0, False)


def test_the_probe_is_cut_down(monkeypatch):
    sizes = []
    with torch.device("meta"):
        subject = Subject.of(nn.Linear(20_000, 20_000), "*")
    monkeypatch.setattr(_measure, "_with_storage", lambda module, _: sizes.append(module.weight.numel()) or module)
    monkeypatch.setattr(_measure, "_median", lambda *_: 1.0)
    for strategy in strategies(subject, 64, None)[0]:
        assert time_to_generate(strategy, subject, 64, 10**9)[1] is False
    assert max(sizes) <= 1 << 23


def test_the_median_of_a_few_runs_after_a_first_one(monkeypatch):
    clock, runs = iter([0.0, 5.0, 5.0, 6.0, 6.0, 8.0]), []
    monkeypatch.setattr(_measure.time, "perf_counter", lambda: next(clock))
    assert _measure._median(lambda: runs.append(1), torch.device("cpu")) == 2.0
    assert len(runs) == 4


def test_a_default_device_is_ignored():
    with torch.device("meta"):
        net = _net()
        subject = Subject.of(net, "*")
        for strategy in strategies(subject, 32, None)[0]:
            assert time_to_generate(strategy, subject, 32, 10**6)[1]
