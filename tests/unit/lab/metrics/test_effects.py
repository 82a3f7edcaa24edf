import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.metrics import effect_errors


def test_by_hand():
    found = effect_errors(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 4.0]))
    assert found == {"pehe": pytest.approx((5 / 3) ** 0.5), "ate_error": pytest.approx(1.0)}


def test_errors_that_cancel_leave_the_average_right():
    found = effect_errors(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0]))
    assert found == {"pehe": 1.0, "ate_error": 0.0}


@pytest.mark.parametrize("sizes", [(3, 2), (0, 0)])
def test_refuses_what_cannot_be_compared(sizes):
    with pytest.raises(ConfigError, match=f"got {sizes[0]} and {sizes[1]}"):
        effect_errors(*map(torch.zeros, sizes))
