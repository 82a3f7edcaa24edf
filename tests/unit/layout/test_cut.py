"""Whole networks: sums, products, joins, parameters used directly, layers that are called twice."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import Architecture
from hyperdnn.errors import LayoutError
from hyperdnn.layout import Widths


class Excited(nn.Module):
    """Squeeze-and-excitation, a gain for each channel, a plain buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.squeeze, self.excite = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), nn.Linear(4, 8)
        self.scale, self.out = nn.Parameter(torch.ones(8, 1, 1)), nn.Linear(8 * 16, 2)
        self.register_buffer("shift", torch.randn(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        b, c, _, _ = x.size()
        y = F.adaptive_avg_pool2d(x, 1).view(b, c)
        y = torch.sigmoid(self.excite(F.relu(self.squeeze(y)))).view(b, c, 1, 1)
        return self.out((x * y.expand_as(x) * self.scale + self.shift).view(x.size(0), -1))


class Inverted(nn.Module):
    """A depthwise convolution, then maps of the channels in last place, and a skip (ConvNeXt)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depth = nn.Conv2d(3, 8, 2, stride=2), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.wide, self.back, self.out = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 2)
        self.gain = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.gain * self.back(F.gelu(self.wide(self.depth(x).permute(0, 2, 3, 1))))
        return self.out((x + y.permute(0, 3, 1, 2)).mean([-2, -1]))


class Tokens(nn.Module):
    """Patches with a table of positions, and a residual map that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.place = nn.Conv2d(3, 8, 2, stride=2), nn.Parameter(torch.randn(1, 9, 8))
        self.up, self.down, self.out = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        t = self.patch(x).flatten(2).transpose(1, 2) + self.place
        for _ in range(2):
            t = t + self.down(F.relu(self.up(t)))
        return self.out(t.mean(1))


class Joined(nn.Module):
    """Two branches, one with a second layer tied to its first."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 6, 1)
        self.tied, self.too = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.too.weight = self.tied.weight
        self.norm, self.out = nn.BatchNorm2d(14), nn.Conv2d(14, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(torch.cat([self.too(self.tied(self.a(x))), self.b(x)], dim=1)))


CUTS = [
    (Excited, {"conv": 5, "excite": 5, "squeeze": 1}),
    (Excited, {"squeeze": 3}),
    (Inverted, {"stem": 5, "wide": 7, "back": 5}),
    (Inverted, {"wide": 7}),
    (Tokens, {"patch": 6, "up": 3, "down": 6}),
    (Joined, {"a": 4, "tied": 4, "too": 4, "b": 1}),
    (Joined, {"b": 5}),
]


@pytest.mark.parametrize(("kind", "widths"), CUTS)
def test_narrow_equals_masked(kind: type[nn.Module], widths: dict[str, int]) -> None:
    net = kind().double()
    architecture = Architecture.of(net)
    cut = Widths.of(architecture, widths)
    weights = {name: torch.randn_like(net.get_parameter(name)) for name in architecture.layout.names}
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    wide, narrow = hd.Target.of(architecture, buffers="batch"), hd.Target(cut.narrow(net), buffers="batch")
    y = narrow(cut.slice(weights), x)
    torch.testing.assert_close(y, wide(cut.mask(weights), x), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(y, wide(weights, x))


@pytest.mark.parametrize(
    ("kind", "widths", "message"),
    [
        (
            Inverted,
            {"stem": 5},
            r"'add' meets 5 channels of 'stem' and 8 channels of 'back': give both layers the same",
        ),
        (
            Inverted,
            {"back": 5},
            r"'add' meets 8 channels of 'stem' and 5 channels of 'back': give both layers the same",
        ),
        (Excited, {"conv": 5}, "'reshape_1|'expand_as|'view_1' .*: what becomes of|meets 5 channels of 'conv'"),
        (Tokens, {"patch": 6}, "'add_1' meets 6 channels of 'patch' and 8 channels of 'down'"),
        (Joined, {"a": 4}, r"'(tied|too)\.weight' is used twice, and different channels of it would be kept"),
        (Joined, {"a": 4, "tied": 4}, r"'(tied|too)\.weight' is used twice"),
        (
            Joined,
            {"out": 1},
            "the network's output would be 1 channels of 'out' out of 2: leave 'out' as wide as it is",
        ),
    ],
)
def test_what_does_not_fit(kind: type[nn.Module], widths: dict[str, int], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        Widths.of(Architecture.of(kind()), widths)


def test_a_norm_called_twice_must_meet_the_same_channels() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.out = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, affine=False), nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.norm(self.a(self.norm(x))))

    with pytest.raises(LayoutError, match=r"'norm(\.running_mean)?' is (called|used) twice"):
        Widths.of(Architecture.of(Twice()), {"a": 4})


def test_a_layer_inside_of_one_operation_cannot_be_cut() -> None:
    architecture = Architecture.of(nn.Sequential(nn.TransformerEncoderLayer(4, 2)))
    with pytest.raises(LayoutError, match=r"'0\.linear1' has a width, but is never called by itself: .* Leave it out"):
        Widths.of(architecture, {"0.linear1": 2})


def test_joining_along_a_dimension_that_cannot_be_counted() -> None:
    class Rows(nn.Module):
        def __init__(self, dim: int) -> None:
            super().__init__()
            self.map, self.out, self.dim = nn.Linear(3, 4), nn.Linear(8, 2), dim

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.cat([self.map(x), self.map(x)], dim=self.dim))

    with pytest.raises(LayoutError, match=r"joins 2 channels of 'map' along dimension 1, .* cat\(\.\.\., dim=-1\)"):
        Widths.of(Architecture.of(Rows(1)), {"map": 2})
    assert Widths.of(Architecture.of(Rows(-1)), {"map": 2}).layout["out.weight"].shape == (2, 4)


def test_a_parameter_that_an_unknown_operation_reads_stays_whole() -> None:
    class Tied(nn.Module):
        """A table that is read, and applied again as a map, to something that stays wide."""

        def __init__(self) -> None:
            super().__init__()
            self.table, self.map = nn.Embedding(5, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.map(self.table(x)), self.table.weight)

    with pytest.raises(LayoutError, match=r"'table\.weight' is used twice, and different channels of it would be kept"):
        Widths.of(Architecture.of(Tied()), {"table": 2})
    with pytest.raises(LayoutError, match=r"'linear' \(Linear\): what becomes of 2 channels of 'map' there is unknown"):
        Widths.of(Architecture.of(Tied()), {"map": 2})


def test_with_a_tensor_from_outside() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map, self.out = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return self.out(self.map(x) * mask)

    with pytest.raises(LayoutError, match="'mul' meets 2 channels of 'map' and all channels of 'mask'"):
        Widths.of(Architecture.of(Masked()), {"map": 2})
