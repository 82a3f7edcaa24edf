from dataclasses import replace

import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.heads import ComponentHead, FactoredHead, FullHead, Join, Linked, MultiHead
from hyperdnn.layout import SlotPlan
from hyperdnn.nn import Extension


@pytest.fixture
def layout() -> ParamLayout:
    return ParamLayout.of(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 2), nn.Linear(3, 4)))


def with_rows(layout: ParamLayout, rows: int, *names: str) -> ParamLayout:
    return ParamLayout(tuple(replace(s, shape=(rows, *s.shape[1:])) if s.name in names else s for s in layout))


HEADS = {
    "full": lambda layout: FullHead(8, layout),
    "multi": lambda layout: MultiHead(8, layout),
    "factored": lambda layout: FactoredHead(8, layout, 2),
    "rows": lambda layout: ComponentHead(8, layout, component="row"),
    "join": lambda layout: Join(layout, [FullHead(8, layout.select("[01].*")), MultiHead(8, layout.select("[23].*"))]),
    "linked": lambda layout: Linked(layout, {"2.bias": "tanh"}, lambda part: FullHead(8, part)),
}


def test_the_slots_of_new_rows_lie_behind_those_of_their_layer(layout: ParamLayout) -> None:
    head = ComponentHead(8, layout, component="row")
    assert head.slots == 3 + 2 + 4 + 1
    assert head.new_slots(with_rows(layout, 5, "2.weight", "2.bias")) == (Extension(3, 5, 3),)
    assert head.slots == 10  # asking changes nothing


def test_a_joined_heads_slots_lie_behind_those_of_the_heads_before(layout: ParamLayout) -> None:
    rows = ComponentHead(8, layout.select("2.*", "3.*"), component="row")
    head = Join(layout, [FullHead(8, layout.select("1.*")), MultiHead(8, layout.select("0.*")), rows])
    longer = with_rows(layout, 5, "2.weight", "2.bias")
    assert head.new_slots(longer) == (Extension(2, 4, 3),)
    head.resize(longer)
    assert head.slots == 2 + 9
    assert longer.check(head(torch.randn(2, 11, 8))) == (2,)


@pytest.mark.parametrize("name", HEADS)
def test_a_grown_head_is_built_like_a_large_one(layout: ParamLayout, name: str) -> None:
    longer = with_rows(layout, 5, "2.weight", "2.bias")
    head, large = HEADS[name](layout), HEADS[name](longer)
    head.resize(longer)
    assert head.layout is longer
    assert head.slots == large.slots
    large.load_state_dict(head.state_dict(), strict=True)
    features = torch.randn(4, *([head.slots] if head.slots else []), 8)
    torch.testing.assert_close(large(features), head(features), rtol=0, atol=0)
    assert repr(large) == repr(head)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_follows_to_the_same_tensors_with_more_rows_only(layout: ParamLayout, name: str) -> None:
    head = HEADS[name](layout)
    state = head.state_dict()
    wrong = {
        "fewer": with_rows(layout, 1, "2.weight", "2.bias"),
        "wider": ParamLayout(tuple(replace(s, shape=(2, 5)) if s.name == "2.weight" else s for s in layout)),
    }
    for other in wrong.values():
        with pytest.raises(LayoutError, match=r"'2\.weight': expected \(2, 3\) with more rows"):
            head.resize(other)
    with pytest.raises(LayoutError, match=r"growing keeps the tensors, but .*not in the other"):
        head.resize(layout.select("0.*", "1.*", "2.*"))
    assert head.layout is layout
    torch.testing.assert_close(head.state_dict(), state, rtol=0, atol=0)


def test_a_vector_of_a_slot_grows_if_its_map_is_its_own() -> None:
    layout = ParamLayout.of(nn.Sequential(nn.LayerNorm(3), nn.LayerNorm(4), nn.Linear(4, 2)))
    head = ComponentHead(8, layout, component="layer")
    longer = with_rows(layout, 5, "2.weight", "2.bias")
    (weight, bias) = head.resize(longer)
    assert weight.kept.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 20, 21]
    assert bias.kept.tolist() == weight.kept.tolist()
    assert head.plan == SlotPlan.by_layer(longer)
    with pytest.raises(ConfigError, match="join another"):
        head.resize(with_rows(longer, 4, "0.weight", "0.bias"))


@pytest.mark.parametrize("name", HEADS)
def test_a_reparametrised_map_is_refused_before_anything_grows(layout: ParamLayout, name: str) -> None:
    """The map that comes last, so that others could have grown already."""
    head = HEADS[name](layout)
    *_, last = (module for module in head.modules() if type(module) is nn.Linear)
    nn.utils.parametrizations.weight_norm(last)
    shapes = {key: tensor.shape for key, tensor in head.state_dict().items()}
    longer = with_rows(layout, 5, "2.weight", "2.bias")
    for ask in (head.new_slots, head.resize):
        with pytest.raises(ConfigError, match=r"output map of the head is reparametrised.*Build a larger head"):
            ask(longer)
    assert head.layout is layout
    assert {key: tensor.shape for key, tensor in head.state_dict().items()} == shapes


def test_a_vector_under_softmax_cannot_grow(layout: ParamLayout) -> None:
    head = Linked(layout, {"2.*": "softmax"}, lambda part: FullHead(8, part))
    longer = with_rows(layout, 5, "2.weight", "2.bias")
    with pytest.raises(ConfigError, match=r"'2\.bias' is a vector under 'softmax', which divides 1"):
        head.new_slots(longer)
    with pytest.raises(ConfigError, match="would change the old ones"):
        head.resize(longer)
    rows = Linked(layout, {"2.weight": "softmax"}, lambda part: FullHead(8, part))  # each row by itself
    features = torch.randn(8)
    nn.init.normal_(rows.head.linear.weight)
    before = rows(features)["2.weight"]
    rows.resize(longer)
    torch.testing.assert_close(rows(features)["2.weight"][:2], before)
