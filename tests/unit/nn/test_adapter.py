import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.nn import Adapter


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("shape", "dim"), [((4, 3), -1), ((4, 3, 5, 6), 1), ((3, 5, 6), -3)])
def test_it_starts_as_the_identity(shape: tuple[int, ...], dim: int, dtype: torch.dtype) -> None:
    x = torch.randn(shape, dtype=dtype)
    assert torch.equal(Adapter(3, 2, channel_dim=dim, dtype=dtype)(x), x)


def test_it_adds_what_two_layers_make_of_the_channels() -> None:
    adapter, x = Adapter(3, 2, channel_dim=1, activation="relu"), torch.randn(4, 3, 5, 6)
    nn.init.normal_(adapter.up.weight)
    nn.init.normal_(adapter.up.bias)
    hidden = F.conv2d(x, adapter.down.weight[..., None, None], adapter.down.bias).relu()
    expected = x + F.conv2d(hidden, adapter.up.weight[..., None, None], adapter.up.bias)
    torch.testing.assert_close(adapter(x), expected)


def test_the_first_gradient_is_not_zero() -> None:
    adapter = Adapter(3, 2)
    adapter(torch.randn(4, 3)).square().sum().backward()
    assert adapter.up.weight.grad.abs().max() > 0


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="bottleneck of at least 1, got 0"):
        Adapter(3, 0)
    with pytest.raises(ConfigError, match="Did you mean 'gelu'"):
        Adapter(3, 2, activation="gellu")
    with pytest.raises(LayoutError, match=r"Adapter: expected 3 channels in dimension -1, got \(4, 1\)"):
        Adapter(3, 2)(torch.randn(4, 1))
