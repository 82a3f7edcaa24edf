from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.layout import Architecture


class Call(nn.Module):
    def __init__(self, call: Callable[..., Tensor] | nn.Module) -> None:
        super().__init__()
        self.call = call
        self.weight = nn.Parameter(torch.ones(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


def words(call: Callable[..., Tensor] | nn.Module) -> list[str]:
    nodes = Architecture.of(Call(call)).nodes
    return [node.operation for node in nodes if node.operation not in ("input", "output", "parameter")]


SAME = {
    "relu": (nn.ReLU(), F.relu, torch.relu, lambda x: x.relu(), lambda x: x.relu_()),
    "leaky_relu": (nn.LeakyReLU(), F.leaky_relu),
    "silu": (nn.SiLU(inplace=True), F.silu),
    "log_softmax": (nn.LogSoftmax(-1), lambda x: F.log_softmax(x, -1), lambda x: x.log_softmax(-1)),
    "max_pool2d": (nn.MaxPool2d(2), lambda x: F.max_pool2d(x, 2)),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d(1), lambda x: F.adaptive_avg_pool2d(x, 1)),
    "flatten": (nn.Flatten(), torch.flatten, lambda x: x.flatten(1)),
    "dropout": (nn.Dropout(), F.dropout),
    "add": (lambda x: x + 1, lambda x: 1 + x, lambda x: torch.add(x, 1), lambda x: x.add_(1)),
    "mul": (lambda x: x * 2, lambda x: x.multiply(2)),
    "div": (lambda x: x / 2, lambda x: x.true_divide(2)),
    "reshape": (lambda x: x.view(1), lambda x: x.reshape(1), lambda x: torch.reshape(x, (1,))),
    "interpolate": (nn.Upsample(3), lambda x: F.interpolate(x, 3)),
    "pad": (nn.ZeroPad2d(1), lambda x: F.pad(x, (1, 1))),
    "mean": (lambda x: x.mean(1), lambda x: torch.mean(x, 1)),
    "getitem": (lambda x: x[:, 0],),
    "T": (lambda x: x.T,),
    "Identity": (nn.Identity(),),
    "BatchNorm2d": (nn.BatchNorm2d(3), nn.BatchNorm2d(3, affine=False)),
    "LayerNorm": (nn.LayerNorm(3), nn.LayerNorm(3, elementwise_affine=False), lambda x: F.layer_norm(x, (3,))),
    "Conv2d": (nn.Conv2d(1, 1, 1), lambda x: F.conv2d(x, torch.ones(1, 1, 1, 1))),
    "GRU": (nn.GRU(2, 2),),
    "Linear": (nn.Linear(2, 2), nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))),
}


@pytest.mark.parametrize(("word", "calls"), SAME.items(), ids=SAME)
def test_one_word_however_it_is_called(word: str, calls: tuple[Callable[..., Tensor], ...]) -> None:
    for call in calls:
        assert [found for found in words(call) if found != "constant"] == [word]


def test_sizes_are_no_operations() -> None:
    def call(x: Tensor) -> Tensor:
        b, c = x.shape
        torch._assert(c == 3, "three columns are needed")
        y = x.reshape(b, -1, c // (2 * x.size(0))).to(x.dtype) * x.dim()
        return y + torch.zeros(x.shape[0], device=x.device.type)  # a tensor, though it has no input but sizes

    assert words(call) == ["reshape", "to", "mul", "zeros", "add"]
