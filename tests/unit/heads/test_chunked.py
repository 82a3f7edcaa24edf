import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout, init
from hyperdnn.heads import ChunkedHead


@pytest.fixture
def layout() -> ParamLayout:
    return ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))  # 26 numbers


@pytest.mark.parametrize(("chunk", "slots", "unused"), [(1, 26, 0), (5, 6, 4), (13, 2, 0), (26, 1, 0)])
def test_slots_and_unused_numbers(layout: ParamLayout, chunk: int, slots: int, unused: int) -> None:
    head = ChunkedHead(8, layout, chunk)
    assert (head.slots, head.unused) == (slots, unused)
    assert layout.check(head(torch.randn(3, slots, 8))) == (3,)


def test_slots_are_consecutive_pieces_of_the_flat_vector(layout: ParamLayout) -> None:
    head = ChunkedHead(8, layout, 5)
    features = torch.randn(6, 8)
    before = head(features)
    features[2] = torch.randn(8)  # numbers 10 to 14: the end of the first matrix, the start of its bias
    changed = layout.join({name: (after != before[name]).float() for name, after in head(features).items()})
    assert changed.nonzero().flatten().tolist() == list(range(10, 15))


def test_all_slots_share_one_map(layout: ParamLayout) -> None:
    head = ChunkedHead(8, layout, 5, signs=False, init=init.naive)
    flat = layout.join(head(torch.randn(8).expand(6, 8)))
    torch.testing.assert_close(flat[:25].reshape(5, 5), flat[:5].expand(5, 5))
    assert sum(p.numel() for p in head.linear.parameters()) == (8 + 1) * 5


def test_signs_keep_equal_features_apart(layout: ParamLayout) -> None:
    torch.manual_seed(0)
    flat = layout.join(ChunkedHead(8, layout, 5, init=init.naive)(torch.randn(8).expand(6, 8)))
    assert len(flat[:25].reshape(5, 5).unique(dim=0)) == 5


def test_moments_are_exact_although_the_map_is_shared() -> None:
    torch.manual_seed(0)
    layout = ParamLayout.of(nn.Sequential(nn.Linear(30, 40), nn.LayerNorm(40), nn.Linear(40, 10)))
    head = ChunkedHead(64, layout, 100)
    weights = head(torch.randn(300, head.slots, 64))
    for spec in layout:
        found = weights[spec.name]
        assert found.mean().item() == pytest.approx(spec.init_mean, abs=0.02)
        assert found.std().item() == pytest.approx(spec.init_std, rel=0.2, abs=1e-6)


def test_a_longer_target_costs_no_more_of_the_map() -> None:
    small, large = (ChunkedHead(8, ParamLayout.of(nn.Linear(n, 4)), 16) for n in (5, 50))
    assert small.linear.weight.shape == large.linear.weight.shape
