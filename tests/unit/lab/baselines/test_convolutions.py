import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hyperdnn.lab.baselines import convolutions, multiplications

SIZES = [
    ((1, 8, 8), (4, 6, 8), (0, 1)),
    ((3, 12, 12), (24, 32, 48, 64), (1, 2)),
    ((2, 7, 5), (3,), ()),  # odd sides
    ((2, 9, 13), (3, 1, 5), (0, 2)),
]


@pytest.mark.parametrize(("shape", "channels", "pooled"), SIZES)
def test_multiplications_are_those_that_torch_counts(shape, channels, pooled):
    net = convolutions(shape, channels, 10, pooled=pooled)
    with FlopCounterMode(display=False) as counter:
        logits = net(torch.zeros(2, *shape))
    assert logits.shape == (2, 10)
    assert 4 * multiplications(shape, channels, 10, pooled=pooled) == counter.get_total_flops()  # two images, sums too


def test_layers_have_names_and_as_many_channels_as_asked_for():
    net = convolutions((3, 8, 8), (4, 6), 5, pooled=(1,))
    assert [name for name, _ in net.named_children()] == [
        *("conv0", "norm0", "relu0", "conv1", "norm1", "relu1", "pool1"),
        *("average", "flat", "classifier"),
    ]
    assert {name: p.shape for name, p in net.named_parameters() if p.ndim > 1} == {
        "conv0.weight": (4, 3, 3, 3),
        "conv1.weight": (6, 4, 3, 3),
        "classifier.weight": (5, 6),
    }
    assert all(layer.bias is None for layer in net if isinstance(layer, nn.Conv2d))
