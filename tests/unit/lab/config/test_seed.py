import random

import numpy as np
import pytest
import torch

from hyperdnn import lab
from hyperdnn.errors import ConfigError


def _draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_one_seed_repeats_every_generator():
    lab.seed_everything(3)
    first = _draw()
    lab.seed_everything(3)
    assert _draw() == first
    lab.seed_everything(4)
    assert not set(_draw()) & set(first)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(ConfigError, match=f"got {seed}"):
        lab.seed_everything(seed)


def test_deterministic_mode_is_on_request(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    benchmark = torch.backends.cudnn.benchmark
    try:
        lab.seed_everything(0)
        assert not torch.are_deterministic_algorithms_enabled()
        lab.seed_everything(0, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = benchmark
