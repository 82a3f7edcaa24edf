import jaxtyping
import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout, init
from hyperdnn.errors import ConfigError
from hyperdnn.heads import ComponentHead


@pytest.fixture
def layout() -> ParamLayout:
    return ParamLayout.of(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3), nn.Linear(3, 2)))


@pytest.mark.parametrize(("component", "sizes"), [("layer", [12, 6, 8]), ("row", [4, 6])])
def test_components_of_equal_size_share_a_map(layout: ParamLayout, component: str, sizes: list[int]) -> None:
    head = ComponentHead(8, layout, component=component)
    assert [linear.out_features for linear in head.linears] == sizes
    assert head.unused == 0
    assert layout.check(head(torch.randn(5, head.slots, 8))) == (5,)


@pytest.mark.parametrize("component", ["layer", "row"])
def test_a_slot_makes_exactly_the_pieces_of_its_plan(layout: ParamLayout, component: str) -> None:
    head = ComponentHead(8, layout, component=component, init=init.naive)
    features = torch.randn(head.slots, 8)
    before = head(features)
    for slot in range(head.slots):
        other = features.clone()
        other[slot] = torch.randn(8)
        after = head(other)
        changed = {n: (after[n] != before[n]).flatten().nonzero().flatten().tolist() for n in layout.names}
        expected = {n: list(range(piece.start, piece.stop)) for n, piece in head.plan.pieces(slot).items()}
        assert {n: where for n, where in changed.items() if where} == expected


def test_equal_features_make_equal_layers_without_signs(layout: ParamLayout) -> None:
    weights = ComponentHead(8, layout, signs=False, init=init.naive)(torch.randn(8).expand(4, 8))
    torch.testing.assert_close(weights["0.weight"], weights["2.weight"])
    apart = ComponentHead(8, layout, init=init.naive)(torch.randn(8).expand(4, 8))
    assert not torch.allclose(apart["0.weight"], apart["2.weight"])


@pytest.mark.parametrize("component", ["layer", "row"])
def test_moments_are_exact_although_maps_are_shared(component: str) -> None:
    torch.manual_seed(0)
    layout = ParamLayout.of(nn.Sequential(nn.Linear(30, 40), nn.LayerNorm(40), nn.Linear(40, 10)))
    head = ComponentHead(64, layout, component=component)
    weights = head(torch.randn(300, head.slots, 64))
    for spec in layout:
        found = weights[spec.name]
        assert found.mean().item() == pytest.approx(spec.init_mean, abs=0.03)
        assert found.std().item() == pytest.approx(spec.init_std, rel=0.25, abs=1e-6)


def test_scalars_and_transposed_convolutions() -> None:
    module = nn.Sequential(nn.ConvTranspose2d(2, 3, 2), nn.PReLU())
    module.scale = nn.Parameter(torch.tensor(2.0))
    layout = ParamLayout.of(module)
    for component in ("layer", "row"):
        head = ComponentHead(8, layout, component=component)
        assert layout.check(head(torch.randn(head.slots, 8))) == ()


def test_components_are_layers_or_rows(layout: ParamLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ConfigError, match="component='column': expected 'layer' or 'row'"):
        ComponentHead(8, layout, component="column")
