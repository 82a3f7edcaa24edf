"""The formulas of Chang, Flokas & Lipson (ICLR 2020), evaluated by hand."""

import functools
from collections.abc import Callable

import pytest
from torch import nn

from hyperdnn import ParamLayout, init, targets
from hyperdnn.init import Init


def variances(rule: Init, module: nn.Module, *select: str) -> dict[str, float]:
    layout = ParamLayout.of(module)
    layout = layout.select(*select) if select else layout
    return {spec.name: moments.std**2 for spec, moments in zip(layout, rule(layout), strict=True)}


forward, backward = init.hyperfan_in, init.hyperfan_out


@pytest.mark.parametrize(
    ("rule", "module", "expected"),
    [
        # c / (s fi) and c / s, with s = 2 where a bias is generated too
        (forward, nn.Linear(10, 4), {"weight": 2 / (2 * 10), "bias": 2 / 2}),
        (forward, nn.Linear(10, 4, bias=False), {"weight": 2 / 10}),
        (forward, nn.Conv2d(4, 6, 3), {"weight": 2 / (2 * 36), "bias": 1.0}),
        (forward, nn.Conv2d(4, 6, 3, groups=2, bias=False), {"weight": 2 / 18}),
        (forward, nn.ConvTranspose2d(4, 6, 3, bias=False), {"weight": 2 / 36}),
        (forward, nn.Bilinear(3, 4, 5, bias=False), {"weight": 2 / 12}),
        (forward, nn.MultiheadAttention(8, 2, bias=False), {"in_proj_weight": 2 / 8, "out_proj.weight": 2 / 8}),
        # c / fo and max(0, c (1 - fi / fo))
        (backward, nn.Linear(10, 4), {"weight": 2 / 4, "bias": 0.0}),
        (backward, nn.Linear(4, 10), {"weight": 2 / 10, "bias": 2 * (1 - 4 / 10)}),
        (backward, nn.Conv2d(4, 6, 3), {"weight": 2 / 54, "bias": 2 * (1 - 4 / 6)}),
        (backward, nn.ConvTranspose1d(4, 6, 5, bias=False), {"weight": 2 / 30}),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_a_layer_of_a_relu_network(rule: Init, module: nn.Module, expected: dict[str, float]) -> None:
    assert variances(rule, module) == pytest.approx(expected)


@pytest.mark.parametrize(("rule", "weight", "bias"), [(forward, 1 / 20, 1 / 2), (backward, 1 / 40, 30 / 40)])
def test_the_gain_is_one_for_saturating_activations(rule: Callable[..., object], weight: float, bias: float) -> None:
    found = variances(functools.partial(rule, gain=1.0), nn.Linear(10, 40))
    assert found == pytest.approx({"weight": weight, "bias": bias})


def test_a_bias_that_is_kept_takes_no_share() -> None:
    assert variances(forward, nn.Linear(10, 4), "weight") == pytest.approx({"weight": 2 / 10})


@pytest.mark.parametrize("rule", [forward, backward])
def test_a_norm_starts_at_one_and_zero_whatever_it_held(rule: Init) -> None:
    module = nn.LayerNorm(4)
    nn.init.normal_(module.weight)
    assert rule(ParamLayout.of(module)) == ((1.0, 0.0), (0.0, 0.0))


@pytest.mark.parametrize("rule", [forward, backward])
def test_an_embedding_starts_standard_normal(rule: Init) -> None:
    assert rule(ParamLayout.of(nn.Embedding(5, 3))) == ((0.0, 1.0),)


@pytest.mark.parametrize("rule", [forward, backward])
def test_what_is_unknown_or_a_change_starts_as_its_layout_says(rule: Init) -> None:
    module = nn.ParameterDict({"scale": nn.Parameter(nn.Linear(5, 3).weight)})
    (spec,) = ParamLayout.of(module)
    assert rule(ParamLayout((spec,))) == ((spec.init_mean, spec.init_std),)
    (change,) = targets.Residual().specs(ParamLayout.of(nn.Linear(3, 3))["weight"])
    assert rule(ParamLayout((change,))) == ((0.0, 0.0),)


@pytest.mark.parametrize("module", [nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4)], ids=repr)
def test_a_recurrent_cell_sums_four_tensors_and_has_no_relu(module: nn.Module) -> None:
    layout = ParamLayout.of(module)
    for spec, moments in zip(layout, forward(layout), strict=True):
        fan = spec.fan_in if spec.kind != "bias" else 1
        assert moments.std**2 == pytest.approx(1 / (4 * fan)), spec.name


def test_a_cell_without_biases_sums_two_tensors() -> None:
    assert variances(forward, nn.GRUCell(3, 4, bias=False)) == pytest.approx(
        {"weight_ih": 1 / (2 * 3), "weight_hh": 1 / (2 * 4)}
    )


def test_only_what_is_generated_of_a_cell_is_counted() -> None:
    assert variances(forward, nn.GRU(3, 4), "weight_hh*") == pytest.approx({"weight_hh_l0": 1 / 4})


def test_a_projection_is_summed_with_nothing() -> None:
    assert variances(forward, nn.LSTM(3, 6, proj_size=2))["weight_hr_l0"] == pytest.approx(1 / 6)


def test_backward_in_a_recurrent_cell() -> None:
    found = variances(backward, nn.GRU(3, 4))
    assert found == pytest.approx({"weight_ih_l0": 1 / 4, "weight_hh_l0": 1 / 4, "bias_ih_l0": 0.0, "bias_hh_l0": 0.0})
