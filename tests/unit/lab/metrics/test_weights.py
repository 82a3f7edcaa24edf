import pytest
import torch

from hyperdnn.lab.metrics import weight_spread


def test_networks_that_are_one_and_networks_that_are_unrelated() -> None:
    torch.manual_seed(0)
    one = {"weight": torch.randn(1, 50, 40).expand(8, 50, 40), "bias": torch.zeros(8, 50)}
    assert weight_spread(one).item() == pytest.approx(0.0, abs=1e-6)
    unrelated = {"weight": 0.01 * torch.randn(8, 50, 40), "bias": 7 * torch.randn(8, 500)}
    assert weight_spread(unrelated).item() == pytest.approx(1.0, rel=0.03)


def test_by_hand() -> None:
    weights = {"weight": torch.tensor([[3.0], [5.0]], requires_grad=True), "bias": torch.zeros(2, 1)}
    found = weight_spread(weights)
    assert found.item() == pytest.approx((2 / 17) ** 0.5 / 2)
    assert not found.requires_grad
