import math

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.metrics import confidence_interval


def test_by_hand():
    mean, half = confidence_interval(torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]))
    assert mean.tolist() == [0.5, 1.0]
    assert half.tolist() == pytest.approx([1.96 * math.sqrt(1 / 3) / 2, 0.0])


def test_it_covers_the_truth_as_often_as_it_says():
    values = torch.rand(200, 2000, generator=torch.Generator().manual_seed(0))
    mean, half = confidence_interval(values)
    assert ((mean - 0.5).abs() <= half).double().mean().item() == pytest.approx(0.95, abs=0.02)


def test_one_problem_has_no_interval():
    with pytest.raises(ConfigError, match="expected 2 problems or more, got 1"):
        confidence_interval(torch.ones(1))
