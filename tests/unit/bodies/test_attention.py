import pytest
import torch
from torch import nn

from hyperdnn.bodies import Attention
from hyperdnn.errors import ConfigError


def test_each_slot_sees_all_others_and_their_order_does_not_matter() -> None:
    body, rows = Attention(5, 8), torch.randn(4, 5)
    out, other = body(rows), rows.clone()
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(body(rows[order]), out[order])
    other[3] += 1
    assert ((body(other) - out).abs().amax(-1) > 1e-4).all()


def test_it_is_torchs_transformer_up_to_the_scale_of_the_branches() -> None:
    body = Attention(8, 8, layers=1, heads=2)
    enter, mix, widen, last = body.blocks
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    norm_mix, attention = mix.layers
    norm_widen, up, _, down = widen.layers
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(attention.project.weight)
        theirs.self_attn.in_proj_bias.zero_()
        theirs.self_attn.out_proj.weight.copy_(mix.scale * attention.join.weight)
        theirs.linear1.load_state_dict(up.state_dict())
        theirs.linear2.weight.copy_(widen.scale * down.weight)
        theirs.linear2.bias.zero_()
    rows = torch.randn(3, 5, 8)
    torch.testing.assert_close(body(rows), last(theirs(enter(rows))), atol=1e-5, rtol=1e-5)
    assert [type(norm) for norm in (norm_mix, norm_widen, last)] == [nn.LayerNorm] * 3


@pytest.mark.parametrize("layers", [1, 12])
def test_blocks_change_the_features_and_leave_their_scale(layers: int) -> None:
    torch.manual_seed(0)
    body, rows = Attention(16, 64, layers=layers), torch.randn(20, 6, 16)
    out = body(rows)
    assert out.square().mean().item() == pytest.approx(1, rel=0.05)
    inner = body.blocks[:-1](rows)
    assert 1 < inner.square().mean().item() < 3
    assert (inner - body.blocks[0](rows)).square().mean().item() > 0.1


def test_dropout_acts_in_training_only() -> None:
    body, rows = Attention(5, 8, dropout=0.5), torch.randn(3, 5)
    assert not torch.equal(body(rows), body(rows))
    body.eval()
    assert torch.equal(body(rows), body(rows))


def test_it_runs_under_vmap_and_differentiates_twice() -> None:
    body = Attention(3, 4, layers=1, heads=2).double()
    rows = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    weights = {name: torch.stack([p, 2 * p]) for name, p in body.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(body, w, (rows,)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(body, {name: w[i] for name, w in weights.items()}, (rows,))
        torch.testing.assert_close(mapped[i], alone)
    assert torch.autograd.gradgradcheck(body, (rows,), fast_mode=True)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="hidden must be a multiple of heads, got hidden=6, heads=4"):
        Attention(5, 6)
    with pytest.raises(ConfigError, match="hidden must be a multiple of heads, got hidden=6, heads=0"):
        Attention(5, 6, heads=0)
    with pytest.raises(ConfigError, match="at least one layer, got layers=0"):
        Attention(5, 8, layers=0)
