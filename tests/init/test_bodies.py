"""Every body starts with rows of about unit second moment: at all slots, however many and however deep."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hyperdnn import bodies
from hyperdnn.nn import SlotDeconvolution

WIDTH, CONTEXTS, SEEDS = 128, 4, 12
LAYERS, SLOTS = (1, 2, 4, 8), (1, 5, 64)
BAND = (0.6, 1.7)
"""Where the mean over seeds may lie: every random layer of 128 multiplies it by a factor that strays by a fifth."""

every_depth = pytest.mark.parametrize("layers", LAYERS)
every_count = pytest.mark.parametrize("slots", SLOTS)


def rows(slots: int) -> Tensor:
    """What a body is given: the context, the same in all slots, beside the embedding of each slot."""
    context, embeddings = torch.randn(CONTEXTS, 1, 16), torch.randn(slots, 16)
    return torch.cat([context.expand(-1, slots, -1), embeddings.expand(CONTEXTS, -1, -1)], dim=-1)


@torch.no_grad()
def moments(make: Callable[[], nn.Module], inputs: Callable[[], tuple[Tensor, ...]]) -> Tensor:
    """Second moment of each slot's row: ``(slots,)``."""
    found = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        found.append(make()(*inputs()).square().mean((0, -1)))
    return torch.stack(found).mean(0)


def within(found: Tensor, low: float, high: float) -> bool:
    return low <= found.min().item() and found.max().item() <= high


@every_depth
@pytest.mark.parametrize("activation", ["elu", "gelu", "identity", "leaky_relu", "mish", "relu"])
def test_an_mlp(activation: str, layers: int) -> None:
    found = moments(lambda: bodies.MLP(32, *[WIDTH] * layers, activation=activation), lambda: (rows(5),))
    assert within(found, *BAND), found


@every_depth
@pytest.mark.parametrize(
    ("activation", "low", "high"), [("sigmoid", 0.25, 0.32), ("tanh", 0.4, 0.6), ("silu", 0.5, 2.5)]
)
def test_an_mlp_of_other_bands(activation: str, low: float, high: float, layers: int) -> None:
    """The first two saturate and settle below; silu shrinks weak rows and lifts strong ones, so that they stray."""
    found = moments(lambda: bodies.MLP(32, *[WIDTH] * layers, activation=activation), lambda: (rows(5),))
    assert within(found, low, high), found


@every_depth
@pytest.mark.parametrize("w0", [1.0, 30.0])
def test_an_mlp_of_sines(w0: float, layers: int) -> None:
    """The first layer of low frequency is nearly linear, and small as published; the others settle near a half."""
    found = moments(lambda: bodies.MLP(32, *[WIDTH] * layers, activation="sine", w0=w0), lambda: (rows(5),))
    assert within(found, 0.3 if w0 == 30 else 0.005, 0.6), found


@every_count
@every_depth
def test_a_cnn(layers: int, slots: int) -> None:
    found = moments(lambda: bodies.CNN(32, *[WIDTH] * layers, kernel=3 if slots > 1 else 5), lambda: (rows(slots),))
    assert within(found, *BAND), found


def test_a_cnn_with_plain_zeros_beyond_the_ends_would_lose_a_lone_slot() -> None:
    def plain() -> nn.Module:
        layers = [part for i in range(4) for part in (nn.Conv1d(WIDTH if i else 32, WIDTH, 3, padding=1), nn.ReLU())]
        for convolution in layers[::2]:
            nn.init.kaiming_normal_(convolution.weight)
            nn.init.zeros_(convolution.bias)
        return nn.Sequential(*layers)

    found = moments(plain, lambda: (rows(1).mT,))
    assert found.mean() < 0.03


@pytest.mark.parametrize("slots", [1, 5, 50])
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_rnn(cell: str, layers: int, slots: int) -> None:
    """States settle between half and two and a half, the higher the more slots have in common."""
    found = moments(lambda: bodies.RNN(32, WIDTH, cell=cell, layers=layers), lambda: (rows(slots),))
    assert within(found, 0.5, 2.5), found


@every_count
@pytest.mark.parametrize("layers", [1, 8])
def test_attention(layers: int, slots: int) -> None:
    found = moments(lambda: bodies.Attention(32, WIDTH, layers=layers), lambda: (rows(slots),))
    assert within(found, 0.99, 1.01), found


@every_count
@pytest.mark.parametrize("layers", [1, 8])
def test_cross_attention(layers: int, slots: int) -> None:
    found = moments(
        lambda: bodies.CrossAttention(32, 5, WIDTH, layers=layers), lambda: (rows(slots), torch.randn(CONTEXTS, 7, 5))
    )
    assert within(found, 0.99, 1.01), found


@pytest.mark.parametrize("slots", [1, 5, 64, 67])
@every_depth
@pytest.mark.parametrize("stride", [2, 3])
def test_a_deconv(stride: int, layers: int, slots: int) -> None:
    widths = [WIDTH] * (layers + 1)
    found = moments(
        lambda: bodies.Deconv(32, *widths, slots=slots, stride=stride), lambda: (torch.randn(CONTEXTS, 32),)
    )
    assert within(found, *BAND), found


def unevenness(grow: Callable[[], nn.Module]) -> float:
    """Largest over smallest second moment of the slots behind one transposed convolution."""
    found = moments(grow, lambda: (torch.randn(64, 9, WIDTH),))
    return (found.max() / found.min()).item()


def test_a_deconv_leaves_no_checkerboard() -> None:
    class Plain(nn.Module):
        """Torch's layer with the usual kernel of three."""

        def __init__(self) -> None:
            super().__init__()
            self.grow = nn.ConvTranspose1d(WIDTH, WIDTH, 3, 2, 1, output_padding=1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.grow(x.mT).mT

    assert unevenness(lambda: SlotDeconvolution(WIDTH, WIDTH, 18)) < 1.1
    assert unevenness(lambda: SlotDeconvolution(WIDTH, WIDTH, 27, stride=3)) < 1.1
    assert unevenness(Plain) > 1.7
