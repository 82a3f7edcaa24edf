"""The watch over memory sees a leak, and none where there is none."""

import importlib
from pathlib import Path

import pytest
import torch


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("soak")
    monkeypatch.setattr(module, "EVERY", 2)
    return module


def test_a_leak_is_seen(soak):
    kept = []
    _, more = soak.growth(soak.watch(lambda: kept.append(torch.ones(2**19)), 20))
    assert more > 0.02


def test_what_is_given_back_is_no_leak(soak):
    first, more = soak.growth(soak.watch(lambda: torch.ones(2**19), 20))
    assert first > 50
    assert abs(more) < 0.02


def test_growth_is_that_behind_the_warm_up(soak):
    assert soak.growth([1, 2, *[10] * 4, *[11] * 4]) == (10, pytest.approx(0.1))


@pytest.mark.parametrize("case", ["training", "`Cached`"])
def test_a_case_takes_its_steps(soak, case):
    assert len(soak.watch(soak.CASES[case](), 6)) == 3
