import pytest
import torch
from torch import nn

from hyperdnn.encoders._keep_scale import keep_scale_


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Linear(30, 400), (500, 30)), (nn.Conv2d(4, 400, 3), (100, 4, 5, 5))],
    ids=["linear", "conv"],
)
def test_outputs_have_the_mean_square_of_the_inputs(layer: nn.Linear | nn.Conv2d, shape: tuple[int, ...]) -> None:
    x = 3 * torch.randn(shape)
    keep_scale_(layer)
    assert layer(x).square().mean().sqrt().item() == pytest.approx(3, rel=0.1)
    assert not layer.bias.any()


def test_layers_without_offsets_are_taken_too() -> None:
    first, second = nn.Linear(50, 50, bias=False), nn.Linear(50, 50)
    keep_scale_(first, second)
    assert second(first(torch.randn(200, 50))).std().item() == pytest.approx(1, rel=0.15)
