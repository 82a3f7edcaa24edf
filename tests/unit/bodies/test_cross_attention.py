import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import encoders, heads
from hyperdnn.bodies import CrossAttention
from hyperdnn.errors import ConfigError, ContextError


def test_it_is_torchs_decoder_up_to_the_scale_of_the_branches() -> None:
    body = CrossAttention(8, 5, 8, layers=1, heads=2)
    (block,) = body.blocks
    theirs = nn.TransformerDecoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs.multihead_attn = nn.MultiheadAttention(8, 2, kdim=5, vdim=5, batch_first=True)
    key, value = block.read.answer.weight.chunk(2)
    _, mix = block.mix.layers
    _, widen, _, narrow = block.widen.layers
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(mix.project.weight)
        theirs.self_attn.in_proj_bias.zero_()
        theirs.self_attn.out_proj.weight.copy_(block.scale * mix.join.weight)
        theirs.multihead_attn.q_proj_weight.copy_(block.read.ask.weight)
        theirs.multihead_attn.k_proj_weight.copy_(key)
        theirs.multihead_attn.v_proj_weight.copy_(value)
        theirs.multihead_attn.in_proj_bias.zero_()
        theirs.multihead_attn.out_proj.weight.copy_(block.scale * block.read.join.weight)
        theirs.linear1.load_state_dict(widen.state_dict())
        theirs.linear2.weight.copy_(block.scale * narrow.weight)
        theirs.linear2.bias.zero_()
    slots, tokens, mask = torch.randn(3, 4, 8), torch.randn(3, 6, 5), torch.tensor([[True] * 4 + [False] * 2] * 3)
    expected = body.leave(theirs(body.enter(slots), tokens, memory_key_padding_mask=~mask))
    torch.testing.assert_close(body(slots, tokens, mask), expected, atol=1e-5, rtol=1e-5)


def test_tokens_and_slots_are_sets_and_all_of_them_count() -> None:
    body, slots, tokens = CrossAttention(5, 3, 8), torch.randn(4, 5), torch.randn(6, 3)
    out, order = body(slots, tokens), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(body(slots[order], tokens), out[order])
    torch.testing.assert_close(body(slots, tokens.flip(0)), out)
    for i in range(6):
        other = tokens.clone()
        other[i] += 1
        assert ((body(slots, other) - out).abs().amax(-1) > 1e-4).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=2), st.integers(1, 5), st.integers(0, 5), st.integers(1, 3))
def test_masked_tokens_are_left_out(contexts: list[int], slots: int, n: int, layers: int) -> None:
    body = CrossAttention(3, 2, 6, layers=layers, heads=3).double()
    queries = torch.randn(*contexts, slots, 3, dtype=torch.float64)
    tokens, mask = torch.randn(*contexts, n, 2, dtype=torch.float64), torch.rand(*contexts, n) < 0.6
    out = body(queries, tokens.masked_fill(~mask.unsqueeze(-1), torch.inf), mask)
    assert out.shape == (*contexts, slots, 6)
    assert torch.isfinite(out).all()
    count = out[..., 0, 0].numel()
    flat = (queries.reshape(count, slots, 3), tokens.reshape(count, n, 2), mask.reshape(count, n))
    for mine, query, token, present in zip(out.reshape(count, slots, 6), *flat, strict=True):
        torch.testing.assert_close(mine, body(query, token[present]))


def test_a_context_without_tokens_has_weights_and_finite_gradients() -> None:
    body = CrossAttention(5, 3, 8)
    slots, tokens = torch.randn(2, 4, 5, requires_grad=True), torch.randn(2, 6, 3, requires_grad=True)
    mask = torch.tensor([[False] * 6, [True] * 6])
    out = body(slots, tokens, mask)
    torch.testing.assert_close(out[0], body(slots[0], tokens[0, :0]))
    out.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in (*body.parameters(), slots, tokens))
    assert not tokens.grad[0].any()


@pytest.mark.parametrize("layers", [1, 2, 8])
@pytest.mark.parametrize("n", [0, 1, 64])
def test_blocks_change_the_features_and_leave_their_scale(layers: int, n: int) -> None:
    torch.manual_seed(0)
    body, slots, tokens = CrossAttention(16, 8, 64, layers=layers), torch.randn(20, 6, 16), torch.randn(20, n, 8)
    torch.testing.assert_close(body(slots, tokens).square().mean(-1), torch.ones(20, 6), atol=1e-3, rtol=0)
    rows = body.enter(slots)
    for block in body.blocks:
        rows = block(rows, tokens, None)
    assert 1 < rows.square().mean().item() < 3
    other = body(slots, torch.randn_like(tokens))  # of many unrelated tokens the mean says little
    assert ((other - body(slots, tokens)).square().mean().item() > 0.01) == (n > 0)


def test_dropout_acts_in_training_only() -> None:
    body, inputs = CrossAttention(5, 3, 8, dropout=0.5), (torch.randn(4, 5), torch.randn(6, 3))
    assert not torch.equal(body(*inputs), body(*inputs))
    body.eval()
    assert torch.equal(body(*inputs), body(*inputs))


def test_it_runs_under_vmap_and_differentiates_twice() -> None:
    body = CrossAttention(3, 2, 4, layers=1, heads=2).double()
    slots = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    tokens = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    torch.testing.assert_close(torch.vmap(body)(slots, tokens, mask), body(slots, tokens, mask))
    weights = {name: torch.stack([p, 2 * p]) for name, p in body.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(body, w, (slots, tokens, mask)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(body, {k: w[i] for k, w in weights.items()}, (slots, tokens, mask))
        torch.testing.assert_close(mapped[i], alone)
    assert torch.autograd.gradgradcheck(lambda s, t: body(s, t, mask), (slots, tokens), fast_mode=True)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))


def test_a_hypernet_that_reads_samples_learns_to_learn_and_is_saved(tmp_path: object) -> None:
    """Contexts are four labelled points of a line; the network should be that line."""
    target = hd.Target(net())
    head = heads.ComponentHead(16, target.layout)
    hypernet = hd.Hypernet(
        encoder=encoders.Tokens(3), slots=encoders.Slots(head.slots, 8), body=CrossAttention(8, 3, 16), head=head
    )
    model = hd.HyperDNN(target, hypernet)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def episode() -> tuple[Tensor, Tensor, Tensor]:
        slopes, x = torch.randn(16, 1, 2), torch.rand(16, 20, 2) * 2 - 1
        y = (x * slopes).sum(-1, keepdim=True)
        return torch.cat([x, y], dim=-1)[:, :4], x[:, 4:], y[:, 4:]

    losses = []
    for _ in range(100):
        support, x, y = episode()
        loss = (model(x, context=support) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    support, x, _ = episode()
    assert torch.equal(loaded(x, context=support), model(x, context=support))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="CrossAttention: hidden must be a multiple of heads, got hidden=6, heads=4"):
        CrossAttention(5, 3, 6)
    with pytest.raises(ConfigError, match="CrossAttention needs at least one layer, got layers=0"):
        CrossAttention(5, 3, 8, layers=0)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((torch.zeros(2, 4, 5), torch.zeros(2, 6, 4)), r"expected tokens \(2, n, 3\), got \(2, 6, 4\)"),
        ((torch.zeros(2, 4, 5), torch.zeros(6, 3)), r"expected tokens \(2, n, 3\), got \(6, 3\)"),
        ((torch.zeros(4, 5), torch.zeros(3)), r"expected tokens \(n, 3\), got \(3,\)"),
        (
            (torch.zeros(4, 5), torch.zeros(6, 3), torch.ones(6)),
            r"expected a boolean mask \(6,\), true where there is a token, got torch.float32 \(6,\)",
        ),
        ((torch.zeros(2, 4, 5), torch.zeros(2, 6, 3), torch.ones(6).bool()), r"mask \(2, 6\), .* \(6,\)"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(
    inputs: tuple[Tensor, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ContextError, match=words):
        CrossAttention(5, 3, 8)(*inputs)
