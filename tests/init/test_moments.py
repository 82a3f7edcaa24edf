"""What each head generates has the moments that a rule asks for: the published formulas, measured."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import heads, init
from hyperdnn.errors import ConfigError

HIDDEN, CONTEXTS, SEEDS = 256, 4, 8
MakeHead: TypeAlias = Callable[[hd.ParamLayout, init.Init], nn.Module]


def join(layout: hd.ParamLayout, rule: init.Init) -> nn.Module:
    first = heads.FullHead(HIDDEN, layout.select("0.*"), init=rule)
    return heads.Join(layout, [first, heads.ChunkedHead(HIDDEN, layout.select("2.*"), 100, init=rule)])


HEADS: dict[str, MakeHead] = {
    "full": lambda layout, rule: heads.FullHead(HIDDEN, layout, init=rule),
    "multi": lambda layout, rule: heads.MultiHead(HIDDEN, layout, init=rule),
    "chunked": lambda layout, rule: heads.ChunkedHead(HIDDEN, layout, 100, init=rule),
    "layers": lambda layout, rule: heads.ComponentHead(HIDDEN, layout, component="layer", init=rule),
    "rows": lambda layout, rule: heads.ComponentHead(HIDDEN, layout, component="row", init=rule),
    "factored": lambda layout, rule: heads.FactoredHead(HIDDEN, layout, 8, init=rule),
    "join": join,
    "linked": lambda layout, rule: heads.Linked(layout, {}, lambda inner: heads.FullHead(HIDDEN, inner, init=rule)),
}
# Chang et al. (2020): Var(W) = 2 / (2 fi) beside a bias, Var(b) = 2 / 2; Var(W) = 2 / fo, Var(b) = 2 (1 - fi / fo).
IN, MIDDLE, OUT = 20, 40, 30
FORMULAS = {
    "hyperfan_in": {"0.weight": 1 / IN, "0.bias": 1.0, "2.weight": 1 / MIDDLE, "2.bias": 1.0},
    "hyperfan_out": {"0.weight": 2 / MIDDLE, "0.bias": 2 * (1 - IN / MIDDLE), "2.weight": 2 / OUT, "2.bias": 0.0},
    "naive": {"0.weight": 1.0, "0.bias": 1.0, "2.weight": 1.0, "2.bias": 1.0},
}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(IN, MIDDLE), nn.ReLU(), nn.Linear(MIDDLE, OUT))


def features(head: nn.Module) -> torch.Tensor:
    """As they leave a ReLU body."""
    rows = (CONTEXTS,) if head.slots is None else (CONTEXTS, head.slots)
    return torch.randn(*rows, HIDDEN).relu()


@pytest.mark.parametrize("rule", FORMULAS)
@pytest.mark.parametrize("head", HEADS)
def test_generated_weights_have_the_published_variance(head: str, rule: str) -> None:
    layout = hd.ParamLayout.of(net())
    moments: dict[str, list[float]] = {name: [] for name in layout.names}
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        made = HEADS[head](layout, getattr(init, rule))
        with torch.no_grad():
            for name, weight in made(features(made)).items():
                moments[name].append(weight.square().mean().item())
    for name, expected in FORMULAS[rule].items():
        found = sum(moments[name]) / SEEDS
        assert found == pytest.approx(expected, rel=0.35, abs=1e-12), name


STARTS_ANYWHERE = ("full", "multi", "linked")


@pytest.mark.parametrize("head", STARTS_ANYWHERE)
def test_bias_hyperinit_gives_every_context_the_same_network_and_then_lets_them_part(head: str) -> None:
    """Beck et al. (2022): zero weight, and the target's own initialisation as the bias."""
    module = net()
    made = HEADS[head](hd.ParamLayout.of(module), init.matched)
    init.from_target_(made, module)
    torch.manual_seed(0)
    weights = made(features(made))
    for name, value in module.state_dict().items():
        assert torch.equal(weights[name], value.expand(CONTEXTS, *value.shape))
    linear = next(part for part in made.modules() if isinstance(part, nn.Linear))
    assert not linear.weight.any()
    weights["0.weight"][0].sum().backward()
    assert linear.weight.grad.any()


@pytest.mark.parametrize("head", sorted(HEADS.keys() - set(STARTS_ANYWHERE)))
def test_heads_that_cannot_start_there_name_the_way_out(head: str) -> None:
    module = net()
    made = HEADS[head](hd.ParamLayout.of(module), init.matched)
    with pytest.raises(ConfigError, match=r"Head cannot hold a starting value for each weight\. Use .*Residual\(\)"):
        init.from_target_(made, module)


def test_a_joined_start_is_that_of_its_heads() -> None:
    module = net()
    layout = hd.ParamLayout.of(module)
    made = heads.Join(
        layout,
        [heads.FullHead(HIDDEN, layout.select("0.*")), heads.MultiHead(HIDDEN, layout.select("2.*"))],
    )
    init.from_target_(made, module)
    weights = made(torch.randn(HIDDEN))
    assert all(torch.equal(weights[name], value) for name, value in module.state_dict().items())
