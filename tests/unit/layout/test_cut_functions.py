"""Operations without parameters: the narrow network equals the masked wide one, or an error names the operation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import Architecture
from hyperdnn.errors import LayoutError
from hyperdnn.layout import Widths


class Between(nn.Module):
    """A convolution of 8 channels on 5 x 5 positions, an operation, and a layer that reads what it gives."""

    def __init__(self, call: Callable[[Tensor], Tensor] | nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.conv, self.call, self.last = nn.Conv2d(3, 8, 2), call, last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.call(self.conv(x)))


MAP, ROW, GRID = nn.Linear(8, 2), nn.Linear(8 * 25, 2), nn.Conv2d(8, 2, 1)
PASS = {
    "elementwise": (lambda x: F.gelu(torch.clamp(x, -1).exp().tanh()) * 2 + 1, GRID),
    "dropout": (nn.Dropout(0.0), GRID),
    "dropout of channels": (nn.Dropout2d(0.0), GRID),
    "pool": (nn.MaxPool2d(2), GRID),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=2), GRID),
    "pad": (lambda x: F.pad(x, (1, 2, 0, 1)), GRID),
    "pad module": (nn.ReflectionPad2d(1), GRID),
    "flatten": (nn.Flatten(), ROW),
    "flatten positions": (lambda x: x.flatten(start_dim=2), nn.Conv1d(8, 2, 25)),
    "view": (lambda x: x.view(x.size(0), -1), ROW),
    "view keeps channels": (lambda x: x.view(x.shape[0], x.shape[1], -1), nn.Conv1d(8, 2, 25)),
    "there and back": (lambda x: x.mean((2, 3)).reshape((x.size(0), -1, 1, 1)), GRID),
    "mean": (lambda x: x.mean((-2, -1)), MAP),
    "mean in two": (lambda x: x.mean(2).amax(dim=2), MAP),
    "mean kept": (lambda x: x.sum((2, 3), keepdim=True) * x, GRID),
    "channels last": (lambda x: x.permute(0, 2, 3, 1), MAP),
    "and first again": (lambda x: x.permute((0, 2, 3, 1)).permute(0, 3, 1, 2), GRID),
    "tokens": (lambda x: x.flatten(2).transpose(1, 2), MAP),
    "tokens flat": (lambda x: x.flatten(2).transpose(-1, -2).flatten(1), ROW),
    "cat": (lambda x: torch.cat([x.relu(), x, x.neg()], 1), nn.Conv2d(24, 2, 1)),
    "cat by another name": (lambda x: torch.cat(tensors=(x, x), axis=1), nn.Conv2d(16, 2, 1)),
    "cat of positions": (lambda x: torch.cat((x, x), dim=-1), GRID),
}


@pytest.mark.parametrize("kind", PASS)
def test_channels_pass(kind: str) -> None:
    call, last = PASS[kind]
    net = Between(call, last).double()
    architecture = Architecture.of(net)
    widths = Widths.of(architecture, {"conv": 3})
    weights = {name: torch.randn_like(net.get_parameter(name)) for name in architecture.layout.names}
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    wide, narrow = hd.Target.of(architecture), hd.Target(widths.narrow(net))
    y = narrow(widths.slice(weights), x)
    torch.testing.assert_close(y, wide(widths.mask(weights), x), rtol=1e-10, atol=1e-10)
    assert not torch.allclose(y, wide(weights, x))


STOP = {
    "softmax": (nn.Softmax(1), GRID),
    "mean of channels": (lambda x: x.mean(1, keepdim=True), nn.Conv2d(1, 2, 1)),
    "mean of all": (lambda x: x.mean(), nn.Identity()),
    "fixed size": (lambda x: x.view(-1, 200), ROW),
    "fixed channels": (lambda x: x.view(x.size(0), 8, -1), nn.Conv1d(8, 2, 1)),
    "batch mixed": (lambda x: x.view(-1, x.size(1)), MAP),
    "time mixed": (lambda x: x.view(x.size(0) // 2, -1), nn.Linear(400, 2)),
    "shuffle": (nn.PixelShuffle(2), nn.Conv2d(2, 2, 1)),
    "index": (lambda x: x[:, :4], nn.Conv2d(4, 2, 1)),
    "spread to space": (lambda x: x.mean((2, 3)).view(x.size(0), -1, 2, 2), nn.Conv2d(2, 2, 1)),
    "pad channels": (lambda x: F.pad(x, (0, 0, 0, 0, 0, 2)), nn.Conv2d(10, 2, 1)),
    "pool of channels": (lambda x: F.max_pool1d(x.permute(0, 2, 3, 1).flatten(1, 2), 2), nn.Linear(4, 2)),
    "cat of what was split": (lambda x: torch.cat(x.chunk(2, 1)), nn.Conv2d(4, 2, 1)),
    "product": (lambda x: x @ x, GRID),
    "functional layer": (lambda x: F.conv2d(x, torch.ones(2, 8, 1, 1)), nn.Identity()),
    "unknown partner": (lambda x: torch.cat((x, torch.ones(2, 8, 5, 5)), 1), nn.Conv2d(16, 2, 1)),
}


@pytest.mark.parametrize("kind", STOP)
def test_what_is_unknown_is_an_error_that_names_the_operation(kind: str) -> None:
    architecture = Architecture.of(Between(*STOP[kind]))
    Widths.of(architecture, {"conv": 8})  # as wide as it is
    with pytest.raises(
        LayoutError, match=r"'\w+' \(\w+\): what becomes of 3 channels of 'conv' there is unknown\. Leave"
    ):
        Widths.of(architecture, {"conv": 3})


def test_a_bound_of_each_channel_is_cut_with_it() -> None:
    class Bounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.floor, self.out = nn.Linear(3, 8), nn.Parameter(torch.randn(8)), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.enter(x).clamp(min=self.floor))

    wide = Bounded()
    widths = Widths.of(Architecture.of(wide), {"enter": 5})
    narrow, x = widths.narrow(wide), torch.randn(4, 3)
    assert narrow.floor.shape == (5,)
    masked = widths.mask({name: p.detach() for name, p in wide.named_parameters()})
    torch.testing.assert_close(torch.func.functional_call(wide, masked, (x,)), narrow(x))
