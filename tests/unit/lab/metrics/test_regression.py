import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from hyperdnn.lab.metrics import coverage, coverage_curve, prediction_rows, quantiles_of, regression_summary


def mixture(outputs: torch.Tensor) -> MixtureSameFamily:
    mean, log_scale = outputs.double().transpose(0, 1).unbind(-1)
    return MixtureSameFamily(Categorical(torch.ones_like(mean)), Normal(mean, log_scale.exp()))


def test_numbers_are_those_of_the_mixture_in_the_datas_unit() -> None:
    outputs, targets, unit = torch.randn(7, 50, 2), torch.randn(50), 4.0
    found = regression_summary(outputs, targets, unit=unit)
    nll = -mixture(outputs).log_prob(targets.double()).mean() + math.log(unit)
    rmse = (unit * outputs[..., 0].mean(0) - unit * targets).square().mean().sqrt()
    assert found["nll"] == pytest.approx(nll.item())
    assert found["rmse"] == pytest.approx(rmse.item(), rel=1e-5)
    assert set(found) == {"nll", "rmse", "coverage_90"}


def test_the_likelihood_is_of_the_mixture_not_the_mean_of_likelihoods() -> None:
    outputs = torch.tensor([[[-3.0, 0.0]], [[3.0, 0.0]]])  # two networks that disagree
    one = regression_summary(outputs, torch.tensor([3.0]))["nll"]
    assert one == pytest.approx(math.log(2) + math.log(2 * math.pi) / 2, abs=1e-6)


def test_far_from_every_network_the_likelihood_is_finite() -> None:
    outputs = torch.full((3, 1, 2), -5.0)
    assert math.isfinite(regression_summary(outputs, torch.tensor([40.0]))["nll"])


def test_quantiles_are_the_mixtures_own() -> None:
    outputs, targets = torch.randn(7, 50, 2), torch.randn(50)
    torch.testing.assert_close(quantiles_of(outputs, targets), mixture(outputs).cdf(targets.double()))


def test_a_calibrated_prediction_covers_what_it_says() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(5, 20_000, 2).mul(0.5)
    targets = mixture(outputs).sample()
    for level, share in coverage_curve(outputs, targets.float()):
        assert share == pytest.approx(level, abs=0.015)
    assert regression_summary(outputs, targets.float())["coverage_90"] == pytest.approx(0.9, abs=0.01)


def test_coverage_counts_central_intervals() -> None:
    quantiles = torch.tensor([0.04, 0.06, 0.5, 0.94, 0.96])
    assert coverage(quantiles, 0.9) == pytest.approx(0.6)
    assert coverage(quantiles, 0.95) == 1.0


def test_rows_for_the_figure_split_the_variance() -> None:
    outputs = torch.tensor([[[0.0, math.log(3.0)], [1.0, 0.0]], [[8.0, math.log(3.0)], [1.0, 0.0]]])
    rows = prediction_rows(outputs, torch.tensor([2.0, 5.0]))
    assert rows[0] == pytest.approx([4.0, 4.0, 5.0, 2.0])
    assert rows[1] == pytest.approx([1.0, 0.0, 1.0, 5.0])
    assert len(prediction_rows(outputs, torch.tensor([2.0, 5.0]), most=1)) == 1
