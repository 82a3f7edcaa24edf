import copy

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.nn import LoRA


class Conv1D(nn.Module):
    """The linear layer of GPT-2 in transformers: its weight is (in, out)."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.randn(nx, nf))
        self.bias = nn.Parameter(torch.randn(nf))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight + self.bias


LAYERS = {
    "linear": (nn.Linear(6, 5), torch.randn(4, 6)),
    "without bias": (nn.Linear(6, 5, bias=False), torch.randn(4, 2, 6)),
    "conv1d": (nn.Conv1d(3, 5, 3, stride=2, padding=1), torch.randn(4, 3, 8)),
    "conv2d": (nn.Conv2d(3, 5, (3, 2), padding="same", dilation=2), torch.randn(4, 3, 8, 7)),
    "circular": (nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"), torch.randn(4, 3, 8, 7)),
    "groups": (nn.Conv2d(4, 6, 3, groups=2), torch.randn(4, 4, 8, 7)),
    "without batch": (nn.Conv2d(3, 5, 3), torch.randn(3, 8, 7)),
    "embedding": (nn.Embedding(9, 5, padding_idx=0), torch.tensor([[1, 8], [0, 4]])),
    "transformers": (Conv1D(5, 6), torch.randn(4, 6)),
}
CASES = pytest.mark.parametrize("name", LAYERS)


def _case(name: str) -> tuple[nn.Module, torch.Tensor]:
    layer, x = LAYERS[name]
    return copy.deepcopy(layer), x


@CASES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_starts_as_the_layer_exactly(name: str, dtype: torch.dtype) -> None:
    layer, x = _case(name)
    layer, x = layer.to(dtype), x.to(dtype) if x.is_floating_point() else x
    output = LoRA(layer, 2, alpha=7.0)(x)
    assert output.dtype == dtype
    assert torch.equal(output, layer(x))


@CASES
def test_the_first_gradient_is_not_zero(name: str) -> None:
    layer, x = _case(name)
    lora = LoRA(layer, 2)
    lora(x).square().sum().backward()
    assert lora.lora_b.weight.grad.abs().max() > 0


@CASES
def test_the_change_is_the_scaled_product_of_the_factors(name: str) -> None:
    layer, x = _case(name)
    lora = LoRA(layer, 2, alpha=6.0)
    nn.init.normal_(lora.lora_b.weight)
    a, b = lora.lora_a.weight, lora.lora_b.weight
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        groups, out = layer.groups, layer.out_channels
        product = b.reshape(groups, out // groups, 2) @ a.reshape(groups, 2, -1)
    else:
        product = b @ a if isinstance(layer, nn.Linear) else (a if isinstance(layer, nn.Embedding) else a.mT) @ b.mT
    changed = copy.deepcopy(layer)
    with torch.no_grad():
        changed.weight += 3 * product.reshape(layer.weight.shape)
    torch.testing.assert_close(lora(x), changed(x), rtol=1e-4, atol=1e-4)


def test_the_layer_stays_and_the_factors_have_names() -> None:
    layer = nn.Linear(6, 5).requires_grad_(False).eval()
    lora = LoRA(layer, 2)
    assert lora.base is layer
    assert sorted(lora.state_dict()) == ["base.bias", "base.weight", "lora_a.weight", "lora_b.weight"]
    assert [n for n, p in lora.named_parameters() if p.requires_grad] == ["lora_a.weight", "lora_b.weight"]
    assert not lora.training


def test_a_padding_row_stays_without_change() -> None:
    lora = LoRA(nn.Embedding(9, 5, padding_idx=3), 2)
    nn.init.normal_(lora.lora_b.weight)
    assert torch.equal(lora(torch.tensor([3])), torch.zeros(1, 5))


def test_without_alpha_the_scale_is_one() -> None:
    assert LoRA(nn.Linear(6, 5), 2).scale == 1
    assert LoRA(nn.Linear(6, 5), 2, alpha=1.0).scale == 0.5
    assert "rank=2, alpha=1" in repr(LoRA(nn.Linear(6, 5), 2, alpha=1.0))


@pytest.mark.parametrize("rank", [-1, 0, 6])
@pytest.mark.parametrize("layer", [nn.Linear(9, 5), nn.Conv2d(3, 5, 3), nn.Embedding(9, 5), Conv1D(5, 9)])
def test_a_rank_fits_the_matrix(layer: nn.Module, rank: int) -> None:
    with pytest.raises(ConfigError, match=rf"from 1 to 5 .* got {rank}"):
        LoRA(layer, rank)


def test_in_a_grouped_convolution_the_rank_is_that_of_a_group() -> None:
    with pytest.raises(ConfigError, match="from 1 to 3"):
        LoRA(nn.Conv2d(4, 6, 3, groups=2), 4)


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(3, 5, 3), nn.LayerNorm(4), nn.LSTM(3, 4), nn.Identity()])
def test_other_layers_are_refused(layer: nn.Module) -> None:
    assert not LoRA.takes(layer)
    with pytest.raises(ConfigError, match=f"got {type(layer).__name__}"):
        LoRA(layer, 1)


def test_a_layer_without_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match="no shape yet"):
        LoRA(nn.LazyLinear(4), 1)
