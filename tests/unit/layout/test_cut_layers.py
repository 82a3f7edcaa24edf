"""A narrow layer on narrow input gives what the wide one gives with zeros outside."""

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import Architecture
from hyperdnn.errors import LayoutError
from hyperdnn.layout import Widths
from hyperdnn.layout._cut_layers import own_width

IMAGE = (3, 3, 6, 6)
LAYERS = {
    "conv1d": (nn.Conv1d(3, 8, 3), nn.Conv1d(8, 4, 2), (3, 3, 6)),
    "conv2d": (nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 4, 2, padding_mode="circular", padding=1), IMAGE),
    "conv3d": (nn.Conv3d(3, 8, 1), nn.Conv3d(8, 4, 2), (3, 3, 2, 3, 4)),
    "transposed": (nn.ConvTranspose2d(3, 8, 3), nn.ConvTranspose2d(8, 4, 2), IMAGE),
    "depthwise": (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 2, groups=8), IMAGE),
    "multiplied depthwise": (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 2, groups=8), IMAGE),
    "grouped": (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 12, 2, groups=4), IMAGE),
    "grouped transposed": (nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 12, 2, groups=4), IMAGE),
    "group made here": (nn.Conv2d(3, 8, 1, groups=1), nn.ConvTranspose2d(8, 8, 1, groups=2), IMAGE),
    "batch norm": (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), IMAGE),
    "batch norm of features": (nn.Linear(3, 8), nn.BatchNorm1d(8), (5, 3)),
    "instance norm": (nn.Conv1d(3, 8, 3), nn.InstanceNorm1d(8, affine=True), (3, 3, 6)),
    "norm without parameters": (nn.Conv1d(3, 8, 3), nn.InstanceNorm1d(8), (3, 3, 6)),
    "group norm, whole groups": (nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), IMAGE),
    "prelu": (nn.Conv2d(3, 8, 3), nn.PReLU(8), IMAGE),
    "one prelu": (nn.Conv2d(3, 8, 3), nn.PReLU(), IMAGE),
    "linear": (nn.Linear(3, 8), nn.Linear(8, 5), (2, 4, 3)),
    "embedding": (nn.Embedding(7, 8), nn.Linear(8, 5), None),
}


def network(first: nn.Module, second: nn.Module, x: torch.Tensor) -> nn.Sequential:
    """With a last layer that may not become narrower."""
    y = second(first(x))
    kinds = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
    last = nn.Linear(y.shape[-1], 2) if isinstance(first, nn.Linear | nn.Embedding) else kinds[y.ndim](y.shape[1], 2, 1)
    return nn.Sequential(first, second, nn.Sigmoid(), last).double()


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("kind", LAYERS)
def test_narrow_equals_masked(kind: str, width: int) -> None:
    first, second, shape = LAYERS[kind]
    x = torch.randint(0, 7, (2, 4)) if shape is None else torch.randn(shape)
    net = network(first.float(), second.float(), x)
    x = x if shape is None else x.double()
    architecture = Architecture.of(net)
    widths = Widths.of(architecture, {"0": width})
    weights = {name: torch.randn_like(net.get_parameter(name)) for name in architecture.layout.names}
    wide, narrow = hd.Target.of(architecture, buffers="batch"), hd.Target(widths.narrow(net), buffers="batch")
    assert narrow.layout.fingerprint == widths.layout.fingerprint
    y = narrow(widths.slice(weights), x)
    torch.testing.assert_close(y, wide(widths.mask(weights), x), rtol=1e-10, atol=1e-10)
    assert torch.allclose(y, wide(weights, x)) == (width == 8)
    assert repr(widths.narrow(net)).count(f"{width}") >= 1


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
def test_norms_over_features_follow_though_statistics_differ(kind: type[nn.Module]) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), kind([8, 6, 6]), nn.Flatten(2), nn.Flatten(), kind(288), nn.Linear(288, 2))
    widths = Widths.of(Architecture.of(net), {"0": 3})
    narrow = widths.narrow(net)
    assert narrow[1].normalized_shape == (3, 6, 6)
    assert narrow[4].normalized_shape == (108,)
    assert narrow(torch.randn(IMAGE)).shape == (3, 2)


def test_a_norm_over_other_dimensions_stays() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.LayerNorm(6), nn.Conv2d(8, 2, 1))
    narrow = Widths.of(Architecture.of(net), {"0": 3}).narrow(net)
    assert narrow[1].normalized_shape == (6,)
    assert narrow(torch.randn(IMAGE)).shape == (3, 2, 6, 6)


@pytest.mark.parametrize(
    ("layers", "widths", "message"),
    [
        (
            (nn.Conv2d(3, 6, 1), nn.GroupNorm(2, 6), nn.Conv2d(6, 1, 1)),
            {"0": 4},
            r"'1': of 4 channels of '0' its groups would keep \[3, 1\], .* a multiple of 3 for '0'",
        ),
        (
            (nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1, groups=2), nn.Conv2d(6, 1, 1)),
            {"0": 4},
            r"'1' has groups of 3 inputs, .* a multiple of 3 for '0'",
        ),
        (
            (nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1, groups=6), nn.Conv2d(6, 1, 1)),
            {"0": 4, "1": 3},
            r"'1': width 3, but it has 4 groups that make 1 channels each: .* Without a width it follows",
        ),
        ((nn.Conv2d(3, 4, 1), nn.Linear(6, 2)), {"0": 2}, r"'1' has 6 inputs, and 2 channels of '0' are not where"),
        ((nn.Linear(3, 4), nn.Conv1d(3, 2, 1)), {"0": 2}, r"'1' has 3 inputs, and 2 channels of '0' are not where"),
    ],
)
def test_what_does_not_fit(layers: tuple[nn.Module, ...], widths: dict[str, int], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        Widths.of(Architecture.of(nn.Sequential(*layers)), widths)


def test_subclasses_and_wrapped_layers_have_no_width() -> None:
    class Mine(nn.Linear):
        pass

    assert own_width(nn.Linear(2, 3)) == own_width(nn.Conv1d(1, 3, 1)) == own_width(nn.Embedding(2, 3)) == 3
    assert own_width(Mine(2, 3)) is None
    assert own_width(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))) is None
