import torch
from torch import nn

from hyperdnn.nn import Residual


def test_it_adds_what_its_layers_make_of_the_input() -> None:
    linear, x = nn.Linear(4, 4), torch.randn(3, 4)
    torch.testing.assert_close(Residual(linear, nn.ReLU())(x), x + linear(x).relu())
    torch.testing.assert_close(Residual(linear, nn.ReLU(), scale=0.25)(x), x + linear(x).relu() / 4)


def test_scaled_branches_keep_a_deep_stack_bounded() -> None:
    torch.manual_seed(0)
    depth, x = 100, torch.randn(50, 64)
    branches = []
    for _ in range(depth):
        linear = nn.Linear(64, 64)
        nn.init.normal_(linear.weight, std=64**-0.5)
        branches.append(Residual(linear, scale=depth**-0.5))
    assert 1.5 < (nn.Sequential(*branches)(x).square().mean() / x.square().mean()).item() < 4


def test_it_says_its_scale() -> None:
    assert "scale=0.333" in repr(Residual(nn.Linear(2, 2), scale=1 / 3))
