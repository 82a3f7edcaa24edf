"""Weights that do not fit the target: ``functional_call`` would take them in silence."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import LayoutError

Change = Callable[[dict[str, Tensor]], object]


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


CHANGES: dict[str, tuple[Change, str]] = {
    "misspelt": (
        lambda w: w.update({"2.wieght": w.pop("2.weight")}),
        r"'2\.wieght' is not generated for this target\. Did you mean '2\.weight'\?",
    ),
    "surplus": (lambda w: w.update({"3.weight": torch.zeros(2, 2)}), r"'3\.weight' is not generated for this target"),
    "missing": (lambda w: w.pop("2.bias"), r"'2\.bias' is missing from the weights"),
    "broadcastable": (
        lambda w: w.update({"2.bias": torch.zeros(1)}),
        r"'2\.bias': expected \(\*contexts, 2\), got \(1,\)",
    ),
    "transposed": (
        lambda w: w.update({"2.weight": torch.zeros(4, 2)}),
        r"'2\.weight': expected \(\*contexts, 2, 4\), got \(4, 2\)",
    ),
    "too_few_dimensions": (
        lambda w: w.update({"2.weight": torch.zeros(4)}),
        r"'2\.weight': expected \(\*contexts, 2, 4\), got \(4,\)",
    ),
    "contexts_disagree": (
        lambda w: w.update({"2.bias": torch.zeros(3, 2)}),
        r"'2\.bias' has context dimensions \(3,\), but '0\.weight' has \(\): all must agree",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_call_names_the_tensor(case: str) -> None:
    model = hd.HyperDNN.for_tasks(net(), 3, hidden=8)
    weights = dict(model.generate(torch.tensor(1)))
    change, words = CHANGES[case]
    change(weights)
    for run in (model.target, model.call, model.target.batched, model.target.paired):
        with pytest.raises(LayoutError, match=words):
            run(weights, torch.randn(5, 3))
    with pytest.raises(LayoutError, match=words):
        model.target.grouped(weights, torch.randn(5, 3), index=torch.zeros(5).long())
    with pytest.raises(LayoutError, match=words):
        model.target.bake(weights)


def test_numbers_of_contexts_that_disagree() -> None:
    target = hd.Target(net())
    weights = {spec.name: torch.randn(3, *spec.shape) for spec in target.layout}
    weights["2.weight"] = weights["2.weight"][:2]
    with pytest.raises(LayoutError, match=r"'2\.weight' has context dimensions \(2,\), but '0\.weight' has \(3,\)"):
        target.batched(weights, torch.randn(3, 5, 3))


def test_plain_weights_where_a_change_is_expected() -> None:
    target = hd.Target(net(), combine=targets.LowRank(1))
    with pytest.raises(LayoutError, match=r"'0\.weight' is not generated for this target\. Did you mean '0\.weight\."):
        target(dict(net().named_parameters()), torch.randn(5, 3))


def test_weights_of_a_hypernet_of_ones_own_are_checked_too() -> None:
    class Wrong(nn.Module):
        def __init__(self, layout: hd.ParamLayout) -> None:
            super().__init__()
            self.layout = layout

        def forward(self, context: Tensor) -> dict[str, Tensor]:
            return dict.fromkeys(self.layout.names, context)

    target = hd.Target(net())
    with pytest.raises(LayoutError, match=r"'0\.weight': expected \(\*contexts, 4, 3\), got \(1,\)"):
        hd.HyperDNN(target, Wrong(target.layout))(torch.randn(5, 3), context=torch.zeros(1))
