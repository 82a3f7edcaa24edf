import math

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.metrics import continual_summary


def test_summary_of_a_small_sequence() -> None:
    matrix = torch.tensor([[0.9, math.nan, math.nan], [0.7, 0.8, math.nan], [0.5, 0.6, 1.0]])
    assert continual_summary(matrix) == pytest.approx(
        {"during_accuracy": 0.9, "final_accuracy": 0.7, "forgetting": 0.2}
    )


def test_nothing_is_forgotten_after_one_task() -> None:
    assert continual_summary(torch.tensor([[0.75]])) == {
        "during_accuracy": 0.75,
        "final_accuracy": 0.75,
        "forgetting": 0.0,
    }


def test_later_gains_count_as_negative_forgetting() -> None:
    assert continual_summary(torch.tensor([[0.5, 0.0], [0.75, 1.0]]))["forgetting"] == -0.125


@pytest.mark.parametrize("shape", [(2, 3), (0, 0)])
def test_refuses_what_is_not_square(shape: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"expected \(tasks, tasks\)"):
        continual_summary(torch.zeros(shape))


@pytest.mark.parametrize("place", [(0, 0), (1, 0)])
def test_refuses_gaps_where_numbers_count(place: tuple[int, int]) -> None:
    matrix = torch.ones(2, 2)
    matrix[place] = math.nan
    with pytest.raises(ConfigError, match="got nan"):
        continual_summary(matrix)
