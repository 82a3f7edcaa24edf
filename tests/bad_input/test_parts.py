"""Parts of a hypernet that do not fit each other."""

import pytest
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init
from hyperdnn.errors import ConfigError, LayoutError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.fixture
def layout() -> hd.ParamLayout:
    return hd.Target(net()).layout


def assemble(head: nn.Module, *, width: int = 5, hidden: int = 8, slots: nn.Module | None = None) -> hd.Hypernet:
    return hd.Hypernet(encoder=encoders.Table(3, 5), slots=slots, body=bodies.MLP(width, hidden), head=head)


def test_a_head_that_needs_slots_and_has_none(layout: hd.ParamLayout) -> None:
    with pytest.raises(ConfigError, match=r"ChunkedHead takes 6 slots\. Add slots=encoders\.Slots\(6, features=16\)"):
        assemble(heads.ChunkedHead(8, layout, 5))


def test_a_head_with_the_wrong_number_of_slots(layout: hd.ParamLayout) -> None:
    head = heads.ComponentHead(8, layout)
    with pytest.raises(ConfigError, match="ComponentHead takes 2 slots, but slots= gives 5"):
        assemble(head, width=7, slots=encoders.Slots(5, 2))


@pytest.mark.parametrize("make", [heads.FullHead, heads.MultiHead])
def test_slots_for_a_head_that_has_none(layout: hd.ParamLayout, make: type[heads.FullHead]) -> None:
    with pytest.raises(ConfigError, match=f"{make.__name__} takes no slots. Leave out slots=, or use ChunkedHead"):
        assemble(make(8, layout), width=7, slots=encoders.Slots(5, 2))


def test_widths_that_do_not_fit(layout: hd.ParamLayout) -> None:
    with pytest.raises(ConfigError, match=r"body MLP takes 6 features, but the encoder's .* are 5 wide"):
        assemble(heads.FullHead(8, layout), width=6)
    with pytest.raises(ConfigError, match="head FullHead takes 9 hidden, but the body's output is 8 wide"):
        assemble(heads.FullHead(9, layout))
    head = heads.ComponentHead(8, layout)
    with pytest.raises(ConfigError, match="the encoder's and slots' features together are 7 wide"):
        assemble(head, width=5, slots=encoders.Slots(2, 2))


def test_a_head_that_declares_no_layout() -> None:
    with pytest.raises(ConfigError, match="head Linear declares no layout"):
        assemble(nn.Linear(8, 26))


@pytest.mark.parametrize("make", [lambda la: heads.ChunkedHead(8, la, 5), lambda la: heads.ComponentHead(8, la)])
def test_starting_values_for_a_head_that_shares_its_map(layout: hd.ParamLayout, make: object) -> None:
    with pytest.raises(
        ConfigError, match=r"Head cannot hold a starting value for each weight.*combine=targets\.Residual\(\)"
    ):
        init.from_target_(make(layout), net())


def test_starting_values_that_are_gone() -> None:
    module = net()
    head = heads.FullHead(8, hd.Target(module).layout)
    with pytest.raises(LayoutError, match=r"'0\.weight' has no starting value\. A Target removes generated weights"):
        init.from_target_(head, module)


def test_starting_values_of_another_shape(layout: hd.ParamLayout) -> None:
    values = dict(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).named_parameters())
    with pytest.raises(LayoutError, match=r"'0\.weight': expected .*4, 3.*got \(5, 3\)"):
        init.from_target_(heads.FullHead(8, layout), values)


def test_a_body_without_widths() -> None:
    with pytest.raises(ConfigError, match=r"MLP needs at least one width, as in MLP\(7, 32\)"):
        bodies.MLP(7)


def test_an_unknown_activation() -> None:
    with pytest.raises(ConfigError, match=r"activation 'rleu' is unknown\. Did you mean 'relu'\?"):
        bodies.MLP(7, 32, activation="rleu")


def test_an_unknown_component(layout: hd.ParamLayout) -> None:
    with pytest.raises(ConfigError, match="component='filter': expected 'layer' or 'row'"):
        heads.ComponentHead(8, layout, component="filter")


@pytest.mark.parametrize("start", ["targett", "matched"])
def test_an_unknown_start(start: str) -> None:
    with pytest.raises(ConfigError, match=start):
        hd.HyperDNN.for_tasks(net(), 3, init=start)


def test_a_rule_of_another_length(layout: hd.ParamLayout) -> None:
    with pytest.raises(ValueError, match="zip"):
        heads.FullHead(8, layout, init=lambda layout: init.matched(layout)[1:])


@pytest.mark.parametrize("rank", ["2", 2.0])
def test_a_rank_is_a_whole_number(rank: object) -> None:
    with pytest.raises(ConfigError, match=r"'0': LoRA: expected a rank from 1 to 3 for a 3 x 4 matrix, got "):
        hd.targets.attach_lora(net(), "0", rank=rank)
