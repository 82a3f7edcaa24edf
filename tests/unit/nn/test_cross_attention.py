import pytest
import torch
from torch import nn

from hyperdnn.nn import CrossAttention


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_torchs_attention(heads: int, masked: bool) -> None:
    ours = CrossAttention(8, 5, heads)
    theirs = nn.MultiheadAttention(8, heads, kdim=5, vdim=5, batch_first=True)
    with torch.no_grad():
        key, value = ours.answer.weight.chunk(2)
        theirs.q_proj_weight.copy_(ours.ask.weight)
        theirs.k_proj_weight.copy_(key)
        theirs.v_proj_weight.copy_(value)
        theirs.out_proj.load_state_dict(ours.join.state_dict())
    rows, tokens = torch.randn(3, 4, 8), torch.randn(3, 6, 5)
    mask = torch.rand(3, 6) < 0.5 if masked else None
    if mask is not None:
        mask[:, 0] = True
    expected, _ = theirs(rows, tokens, tokens, key_padding_mask=None if mask is None else ~mask)
    torch.testing.assert_close(ours(rows, tokens, mask), expected)


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (2, 3), (0,)], ids=str)
def test_any_number_of_context_dimensions(contexts: tuple[int, ...]) -> None:
    layer, rows, tokens = CrossAttention(8, 5, 2), torch.randn(*contexts, 4, 8), torch.randn(*contexts, 6, 5)
    mask = torch.rand(*contexts, 6) < 0.5
    out = layer(rows, tokens, mask)
    assert out.shape == rows.shape
    flat = (rows.reshape(-1, 4, 8), tokens.reshape(-1, 6, 5), mask.reshape(-1, 6))
    for mine, row, token, present in zip(out.reshape(-1, 4, 8), *flat, strict=True):
        torch.testing.assert_close(mine, layer(row, token[present]))


def test_what_is_absent_does_not_matter_and_passes_no_gradient() -> None:
    layer, rows, tokens = CrossAttention(8, 5, 2), torch.randn(4, 8), torch.randn(6, 5)
    mask = torch.tensor([True, True, False, True, False, True])
    spoilt = tokens.clone()
    spoilt[~mask] = torch.nan
    spoilt.requires_grad_()
    out = layer(rows, spoilt, mask)
    torch.testing.assert_close(out, layer(rows, tokens, mask))
    (grad,) = torch.autograd.grad(out.sum(), spoilt)
    assert grad[mask].all()
    assert not grad[~mask].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_without_a_token_all_rows_get_the_offset(dtype: torch.dtype) -> None:
    layer = CrossAttention(8, 5, 2).to(dtype)
    nn.init.normal_(layer.join.bias)
    rows = torch.randn(3, 4, 8).to(dtype).requires_grad_()
    expected = layer.join.bias.expand(3, 4, 8)
    for n in (0, 2):
        out = layer(rows, torch.zeros(3, n, 5, dtype=dtype), torch.zeros(3, n, dtype=torch.bool))
        torch.testing.assert_close(out, expected)
        (grad,) = torch.autograd.grad(out.sum(), rows)
        assert torch.isfinite(grad).all()
    torch.testing.assert_close(layer(rows, torch.zeros(3, 0, 5, dtype=dtype)), expected)


def test_scores_start_with_unit_variance() -> None:
    layer, rows, tokens = CrossAttention(64, 32, 1), torch.randn(100, 64), torch.randn(100, 32)
    key, _ = layer.answer(tokens).chunk(2, -1)
    assert (layer.ask(rows) @ key.T / 8).var().item() == pytest.approx(1, rel=0.2)
