import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import encoders, heads
from hyperdnn.bodies import MLP, Deconv
from hyperdnn.errors import ConfigError


def test_it_is_torchs_transposed_convolution_away_from_the_ends() -> None:
    body, row = Deconv(3, 4, 5, slots=12, activation="identity"), torch.randn(3)
    grow = body.layers[1].convolution.weight
    rows = body.enter(row).view(6, 4)
    expected = F.conv_transpose1d(rows.T[None], grow, stride=2, padding=1)[0].T
    torch.testing.assert_close(body(row)[1:-1], expected[1:-1])
    torch.testing.assert_close(body(row)[[0, -1]], 2**0.5 * expected[[0, -1]])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=2),
    st.integers(1, 40),
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.integers(2, 4),
)
def test_it_makes_any_number_of_slots(contexts: list[int], slots: int, widths: list[int], stride: int) -> None:
    body = Deconv(3, *widths, slots=slots, stride=stride)
    assert body.first == math.ceil(slots / stride ** (len(widths) - 1))
    rows = torch.randn(*contexts, 3)
    out = body(rows)
    assert out.shape == (*contexts, slots, widths[-1])
    for mine, row in zip(out.reshape(-1, slots, widths[-1]), rows.reshape(-1, 3), strict=True):
        torch.testing.assert_close(mine, body(row))


@pytest.mark.parametrize("slots", [1, 7, 64])
def test_slots_start_different_from_each_other_and_change_with_the_context(slots: int) -> None:
    torch.manual_seed(0)
    out = Deconv(16, 64, 64, 64, slots=slots, activation="tanh")(torch.randn(50, 16))
    rows = F.normalize(out, dim=-1)
    alike = (rows @ rows.mT).mean(0)
    assert (alike - torch.eye(slots)).abs().max() < 0.5
    assert (rows[:25] * rows[25:]).sum(-1).mean().abs() < 0.3


def test_near_slots_move_together() -> None:
    """Between contexts that differ a little, what happens to a slot happens to those beside it, not to distant ones."""
    torch.manual_seed(0)
    distances = []
    for _ in range(20):
        body = Deconv(16, 32, 32, 32, slots=64, activation="tanh")
        start = body.enter.weight.unflatten(0, (body.first, 32))
        with torch.no_grad():
            start[5] += torch.randn_like(start[5])  # one of the sixteen rows it grows from
        moved = (body(torch.ones(16)) - body(torch.zeros(16))).square().mean(-1)
        with torch.no_grad():
            start[5] = 0
        rest = (body(torch.ones(16)) - body(torch.zeros(16))).square().mean(-1)
        distances.append((moved - rest).abs() > 1e-6)
    touched = torch.stack(distances).any(0).nonzero().flatten()
    assert touched.tolist() == list(range(int(touched.min()), int(touched.max()) + 1))
    assert 4 * 5 >= touched.min() >= 4 * 5 - 4
    assert 4 * 6 <= touched.max() + 1 <= 4 * 6 + 4


def test_it_runs_under_vmap_and_differentiates_twice() -> None:
    body = Deconv(3, 2, 4, slots=5, activation="tanh").double()
    rows = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    weights = {name: torch.stack([p, 2 * p]) for name, p in body.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(body, w, (rows,)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(body, {name: w[i] for name, w in weights.items()}, (rows,))
        torch.testing.assert_close(mapped[i], alone)
    assert torch.autograd.gradgradcheck(body, (rows,), fast_mode=True)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def test_a_hypernet_without_slot_embeddings_trains_and_is_saved(tmp_path: object) -> None:
    target = hd.Target(net())
    head = heads.ChunkedHead(8, target.layout, 5)
    body = Deconv(4, 16, 16, 8, slots=head.slots)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Table(3, 4), body=body, head=head))
    x, context = torch.randn(3, 16, 2), torch.arange(3)
    y = x.sum(-1, keepdim=True) * (context - 1).view(3, 1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = (model(x, context=context) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    assert torch.equal(loaded(x, context=context), model(x, context=context))


def test_it_has_far_fewer_parameters_than_a_map_to_all_slots() -> None:
    body, direct = Deconv(16, 64, 64, 64, 64, 32, slots=1000), MLP(16, 1000 * 32)
    count, wide = (sum(p.numel() for p in part.parameters()) for part in (body, direct))
    assert body.first == 63
    assert count == 63 * 64 * 17 + 3 * (4 * 64 * 64 + 64) + 4 * 64 * 32 + 32
    assert 4 * count < wide


@pytest.mark.parametrize(
    ("widths", "options", "words"),
    [
        ((8,), {"slots": 3}, r"at least two widths, as in Deconv\(7, 64, 32, slots=20\), got \(8,\)"),
        ((8, 8), {"slots": 0}, "at least one slot, got slots=0"),
        ((8, 8), {"slots": 3, "stride": 1}, r"stride=1 makes no more slots: take 2, or bodies\.CNN"),
        ((8, 8), {"slots": 3, "activation": "gelo"}, "activation 'gelo' is unknown"),
        ((8, 8), {"slots": 3, "activation": "sine"}, r"activation 'sine' needs layers .* which bodies\.MLP has"),
    ],
)
def test_sizes_and_names_that_do_not_fit_are_refused(
    widths: tuple[int, ...], options: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Deconv(3, *widths, **options)
