import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout, init
from hyperdnn.errors import ConfigError
from hyperdnn.heads import FactoredHead, FullHead


@pytest.fixture
def layout() -> ParamLayout:
    return ParamLayout.of(nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Flatten(), nn.Linear(8, 6)))


@pytest.mark.parametrize("rank", [1, 4])
def test_matrices_are_of_the_rank_and_vectors_whole(layout: ParamLayout, rank: int) -> None:
    weights = FactoredHead(16, layout, rank, init=init.naive, dtype=torch.float64)(torch.randn(5, 16).double())
    for name in ("0.weight", "3.weight"):
        assert torch.linalg.matrix_rank(weights[name].flatten(2)).tolist() == [rank] * 5
    assert torch.linalg.matrix_rank(weights["0.bias"]) == 5  # as many directions as contexts


def test_it_is_the_product_of_its_factors(layout: ParamLayout) -> None:
    head = FactoredHead(16, layout, 2, init=init.naive, normalize=False)
    features = torch.randn(16)
    flat, found = head.linear(features), head(features)
    left, right = flat[:16].view(8, 2), flat[16 : 16 + 54].view(27, 2)
    expected = sum(torch.outer(left[:, i], right[:, i]) for i in range(2)) / 2**0.5
    torch.testing.assert_close(found["0.weight"], expected.view(8, 3, 3, 3))
    torch.testing.assert_close(found["0.bias"], flat[70:78])


def test_it_is_smaller_than_a_full_head() -> None:
    layout = ParamLayout.of(nn.Linear(100, 50))
    head, full = FactoredHead(16, layout, 3), FullHead(16, layout)
    assert head.linear.out_features == 3 * (100 + 50) + 50
    assert sum(p.numel() for p in head.parameters()) < sum(p.numel() for p in full.parameters()) / 9


@pytest.mark.parametrize("rank", [1, 3, 20])
@pytest.mark.parametrize("normalize", [True, False])
def test_moments_are_those_of_the_layout(rank: int, normalize: bool) -> None:
    layout = ParamLayout.of(nn.Sequential(nn.Linear(30, 40), nn.LayerNorm(40), nn.Linear(40, 20)))
    head = FactoredHead(256, layout, rank, normalize=normalize)
    features = torch.randn(300, 256) * (5.0 if normalize else 1.0)
    weights = head(features)
    for spec in layout:
        found = weights[spec.name]
        assert found.mean().item() == pytest.approx(spec.init_mean, abs=0.02)
        assert found.std().item() == pytest.approx(spec.init_std, rel=0.2, abs=1e-6)


def test_another_rule_is_kept() -> None:
    layout = ParamLayout.of(nn.Linear(100, 100))
    weights = FactoredHead(64, layout, 8, init=init.hyperfan_in)(torch.randn(100, 64))
    assert weights["weight"].std().item() == pytest.approx(100**-0.5, rel=0.1)


@pytest.mark.parametrize("rank", [-1, 0, 7])
def test_a_rank_fits_every_matrix(layout: ParamLayout, rank: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"rank={rank}, but '.\.weight' is a \d x \d+ matrix, expected a rank from 1"
    ):
        FactoredHead(16, layout, rank)


def test_the_error_of_a_rank_says_which_matrix_and_how_much(layout: ParamLayout) -> None:
    with pytest.raises(ConfigError, match=r"'3\.weight' is a 6 x 8 matrix, .* from 1 to 6\..*heads\.Join"):
        FactoredHead(16, layout, 7)


def test_vectors_alone_need_no_rank() -> None:
    layout = ParamLayout.of(nn.LayerNorm(4))
    assert layout.check(FactoredHead(16, layout, 3)(torch.randn(2, 16))) == (2,)


def test_it_holds_no_starting_value_for_each_weight(layout: ParamLayout) -> None:
    with pytest.raises(ConfigError, match="FactoredHead"):
        init.from_target_(FactoredHead(16, layout, 2), {name: torch.zeros(layout[name].shape) for name in layout.names})
