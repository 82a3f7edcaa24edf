import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout, init
from hyperdnn.heads import FullHead


@pytest.fixture
def layout() -> ParamLayout:
    return ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))


def test_it_is_one_linear_map_cut_by_the_layout(layout: ParamLayout) -> None:
    head = FullHead(8, layout, normalize=False)
    features = torch.randn(5, 8)
    torch.testing.assert_close(layout.join(head(features)), head.linear(features))
    assert sum(p.numel() for p in head.parameters()) == (8 + 1) * layout.numel
    assert head.slots is None


def test_the_scale_of_the_features_does_not_matter(layout: ParamLayout) -> None:
    head, features = FullHead(8, layout), torch.randn(5, 8)
    torch.testing.assert_close(head(features), head(1000 * features))


def test_without_normalisation_it_is_linear_in_its_features(layout: ParamLayout) -> None:
    head, features = FullHead(8, layout, normalize=False), torch.randn(5, 8)
    shift = layout.join(head(torch.zeros(8)))
    torch.testing.assert_close(layout.join(head(3 * features)) - shift, 3 * (layout.join(head(features)) - shift))


def test_each_tensor_starts_with_the_moments_of_its_rule() -> None:
    torch.manual_seed(0)
    layout = ParamLayout.of(nn.Sequential(nn.Linear(30, 40), nn.LayerNorm(40), nn.Linear(40, 10)))
    weights = FullHead(64, layout, init=init.hyperfan_in)(torch.randn(500, 64))
    for spec, (mean, std) in zip(layout, init.hyperfan_in(layout), strict=True):
        assert weights[spec.name].mean().item() == pytest.approx(mean, abs=0.05)
        assert weights[spec.name].square().mean().sub(mean**2).item() == pytest.approx(std**2, rel=0.3, abs=1e-6)


def test_dtype_follows_the_argument(layout: ParamLayout) -> None:
    assert FullHead(8, layout, dtype=torch.float64)(torch.randn(8).double())["0.weight"].dtype == torch.float64
