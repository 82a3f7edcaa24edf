import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import ParamLayout, ParamSpec, bodies, encoders, init
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.heads import ChunkedHead, FullHead, Linked, MultiHead

LAYOUT = ParamLayout(
    (
        ParamSpec(name="a.weight", shape=(5, 4), kind="linear", fan_in=4, init_mean=0.2, init_std=0.1),
        ParamSpec(name="a.bias", shape=(5,), kind="bias", fan_in=4, init_mean=0.3, init_std=0.05),
        ParamSpec(name="n.gain", shape=(5,), kind="norm_gain", init_mean=1.0, init_std=0.0),
    )
)
FORMULAS = {
    "tanh": torch.tanh,
    "sigmoid2": lambda g: 2 / (1 + (-g).exp()),
    "one_plus": lambda g: 1 + g,
    "softmax": lambda g: g.exp() / g.exp().sum(-1, keepdim=True),
    "fan_in": lambda g: g / 2,
}


def _full(layout: ParamLayout) -> FullHead:
    return FullHead(16, layout)


@pytest.mark.parametrize("link", FORMULAS)
def test_a_link_is_its_formula_and_touches_nothing_else(link: str) -> None:
    head = Linked(LAYOUT, {"a.weight": link}, _full)
    nn.init.normal_(head.head.linear.weight)
    features = torch.randn(3, 16)
    before, after = head.head(features), head(features)
    torch.testing.assert_close(after["a.weight"], FORMULAS[link](before["a.weight"]))
    assert torch.equal(after["a.bias"], before["a.bias"])
    assert torch.equal(after["n.gain"], before["n.gain"])


@pytest.mark.parametrize("link", ["tanh", "sigmoid2", "one_plus", "fan_in"])
@pytest.mark.parametrize("name", ["a.weight", "a.bias"])
def test_the_target_starts_as_without_the_link(name: str, link: str) -> None:
    head = Linked(LAYOUT, {name: link}, lambda layout: MultiHead(256, layout))
    found = head(torch.randn(2000, 256))[name]
    assert found.mean().item() == pytest.approx(LAYOUT[name].init_mean, abs=0.03)  # first order
    assert found.std().item() == pytest.approx(LAYOUT[name].init_std, rel=0.3)


@pytest.mark.parametrize("link", ["sigmoid2", "one_plus"])
def test_a_gain_starts_at_one_from_zero(link: str) -> None:
    head = Linked(LAYOUT, {"*.gain": link}, _full)
    assert torch.equal(head(torch.randn(16))["n.gain"], torch.ones(5))
    assert not head.head(torch.randn(16))["n.gain"].any()


def test_a_softmax_starts_equal() -> None:
    weights = Linked(LAYOUT, {"a.weight": "softmax"}, _full)(torch.randn(3, 16))
    torch.testing.assert_close(weights["a.weight"], torch.full((3, 5, 4), 0.25))


def test_links_are_selected_like_everything_else() -> None:
    head = Linked(LAYOUT, {"a.*": "tanh", (lambda spec: spec.kind == "norm_gain"): "one_plus"}, _full)
    assert head.links == {"a.weight": "tanh", "a.bias": "tanh", "n.gain": "one_plus"}
    assert head.layout is LAYOUT


def test_a_head_with_slots_keeps_them() -> None:
    head = Linked(LAYOUT, {"*.gain": "sigmoid2"}, lambda layout: ChunkedHead(16, layout, 7))
    assert (head.slots, head.hidden) == (5, 16)
    assert LAYOUT.check(head(torch.randn(2, 5, 16))) == (2,)


def test_errors_name_link_and_tensor() -> None:
    with pytest.raises(ConfigError, match=r"link 'tahn' is unknown\. Did you mean 'tanh'\?"):
        Linked(LAYOUT, {"*": "tahn"}, _full)
    with pytest.raises(LayoutError, match=r"select='\*\.scale' matches no parameter"):
        Linked(LAYOUT, {"*.scale": "tanh"}, _full)
    with pytest.raises(ConfigError, match=r"'a\.bias' has two links, 'tanh' and 'fan_in': select it once"):
        Linked(LAYOUT, {"a.*": "tanh", "*.bias": "fan_in"}, _full)


@pytest.mark.parametrize(("link", "mean"), [("tanh", 1.0), ("tanh", -1.0), ("sigmoid2", 0.0), ("sigmoid2", 2.0)])
def test_a_start_outside_the_range_is_refused(link: str, mean: float) -> None:
    layout = ParamLayout((replace(LAYOUT["n.gain"], init_mean=mean),))
    with pytest.raises(ConfigError, match=rf"'n\.gain' starts at a mean of {mean:g}, which '{link}' cannot reach"):
        Linked(layout, {"*": link}, _full)


def test_a_softmax_of_one_number_is_refused() -> None:
    layout = ParamLayout((ParamSpec(name="t", shape=()),))
    with pytest.raises(ConfigError, match="'t' is a single number"):
        Linked(layout, {"t": "softmax"}, _full)


def test_rules_set_their_moments_before_the_link() -> None:
    head = Linked(LAYOUT, {"a.weight": "fan_in"}, lambda layout: FullHead(1024, layout, init=init.naive))
    assert head(torch.randn(200, 1024))["a.weight"].std().item() == pytest.approx(0.5, rel=0.25)


@pytest.mark.parametrize("link", FORMULAS)
@pytest.mark.parametrize("head", [FullHead, MultiHead])
def test_every_context_can_start_at_given_weights(link: str, head: type[nn.Module]) -> None:
    made = Linked(LAYOUT, {"a.weight": link}, lambda layout: head(16, layout))
    values = {spec.name: torch.randn(spec.shape) for spec in LAYOUT}
    values["a.weight"] = FORMULAS[link](torch.randn(5, 4))
    init.from_target_(made, values)
    weights = made(torch.randn(3, 16))
    for name, value in values.items():
        torch.testing.assert_close(weights[name], value.expand(3, *value.shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("link", "value"), [("tanh", 1.5), ("tanh", -1.0), ("sigmoid2", -0.1), ("sigmoid2", 2.5), ("softmax", 0.4)]
)
def test_a_value_out_of_reach_is_named_and_nothing_is_changed(link: str, value: float) -> None:
    made = Linked(LAYOUT, {"a.weight": link}, _full)
    before = {name: p.clone() for name, p in made.state_dict().items()}
    with pytest.raises(ConfigError, match=rf"'a\.weight' is to start at values that '{link}' cannot reach"):
        init.from_target_(made, {spec.name: torch.full(spec.shape, value) for spec in LAYOUT})
    torch.testing.assert_close(made.state_dict(), before, rtol=0, atol=0)


def test_a_head_that_cannot_hold_the_values_says_so() -> None:
    made = Linked(LAYOUT, {"a.weight": "tanh"}, lambda layout: ChunkedHead(16, layout, 7))
    with pytest.raises(ConfigError, match=r"ChunkedHead cannot hold a starting value .*targets\.Residual"):
        init.from_target_(made, {spec.name: torch.zeros(spec.shape) for spec in LAYOUT})


def test_a_saved_model_asks_for_its_linked_head(tmp_path: Path) -> None:
    def link(layout: ParamLayout) -> Linked:
        return Linked(layout, {"1.weight": "one_plus"}, lambda inner: FullHead(8, inner))

    def net() -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))

    target = hd.Target(net())
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 4), body=bodies.MLP(4, 8), head=link(target.layout))
    model = hd.HyperDNN(target, hypernet)
    model.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="the saved head is a Linked of your own"):
        hd.HyperDNN.from_pretrained(tmp_path, target=net())
    fresh = net()
    again = hd.HyperDNN.from_pretrained(tmp_path, target=fresh, head=link(ParamLayout.of(fresh)))
    x = torch.randn(3, 5, 3)
    assert torch.equal(again(x, context=torch.arange(3)), model(x, context=torch.arange(3)))
    assert math.isclose(model.generate(torch.tensor(0))["1.weight"].mean().item(), 1.0)
