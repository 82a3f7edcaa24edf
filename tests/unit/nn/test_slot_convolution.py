import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hyperdnn.nn import SlotConvolution, SlotDeconvolution


def _slow(layer: nn.Module, x: Tensor) -> Tensor:
    """Slot by slot: what each sums, times the root of how many fewer they are than inside."""
    weight, slots = layer.convolution.weight, len(x)
    transposed = isinstance(layer, SlotDeconvolution)
    full = 2 if transposed else layer.kernel
    rows = []
    for i in range(layer.slots if transposed else slots):
        terms = []
        for j in range(slots):
            tap = i + layer.stride // 2 - layer.stride * j if transposed else j - i + layer.kernel // 2
            if 0 <= tap < weight.shape[-1]:
                terms.append(x[j] @ (weight[:, :, tap] if transposed else weight[:, :, tap].T))
        rows.append((full / len(terms)) ** 0.5 * sum(terms) + layer.bias)
    return torch.stack(rows)


def _make(transposed: bool, size: int, slots: int, cut: int = 0) -> nn.Module:
    out = size * slots - cut % size  # all that grows, or a few less
    layer = SlotDeconvolution(3, 4, out, stride=size) if transposed else SlotConvolution(3, 4, 2 * size - 1)
    nn.init.normal_(layer.bias)
    return layer.double()


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.integers(1, 4), st.integers(1, 9), st.integers(0, 3), st.lists(st.integers(0, 3), max_size=2))
def test_it_is_its_sum_slot_by_slot(transposed: bool, size: int, slots: int, cut: int, contexts: list[int]) -> None:
    layer = _make(transposed, size, slots, cut)
    x = torch.randn(*contexts, slots, 3, dtype=torch.float64)
    out = layer(x)
    assert out.shape == (*contexts, layer.slots if transposed else slots, 4)
    for mine, one in zip(out.reshape(-1, *out.shape[-2:]), x.reshape(-1, slots, 3), strict=True):
        torch.testing.assert_close(mine, _slow(layer, one))


@pytest.mark.parametrize("slots", [1, 2, 5, 16])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_all_slots_start_with_the_same_second_moment(transposed: bool, size: int, slots: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(slots, 512)
    x = x / x.square().mean(-1, keepdim=True).sqrt()

    def make() -> nn.Module:
        if transposed:
            return SlotDeconvolution(512, 64, size * slots, stride=size, gain=1.5)
        return SlotConvolution(512, 64, 2 * size - 1, gain=1.5)

    layers = [make() for _ in range(12)]
    moments = torch.stack([layer(x) for layer in layers]).square().mean((0, 2))
    torch.testing.assert_close(moments, torch.full_like(moments, 2.25), atol=0, rtol=0.25)


@pytest.mark.parametrize("transposed", [False, True])
def test_it_maps_and_differentiates_twice(transposed: bool) -> None:
    layer, x = _make(transposed, 2, 3), torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(torch.vmap(layer)(x), layer(x))
    assert torch.autograd.gradcheck(layer, (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square(), (x,), fast_mode=True)
    weights = {name: torch.stack([p, 2 * p]) for name, p in layer.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(layer, w, (x,)))(weights)
    torch.testing.assert_close(mapped[1], 2 * layer(x))
