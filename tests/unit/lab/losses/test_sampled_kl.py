import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from hyperdnn import ParamLayout
from hyperdnn.bodies import Flow
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.losses import sampled_kl

LAYOUT = ParamLayout.of(nn.Linear(2, 2))


def test_its_mean_over_draws_is_the_divergence() -> None:
    torch.manual_seed(0)
    posterior = Normal(torch.randn(6).double(), torch.rand(6).double() + 0.3)
    flat = posterior.sample((40_000,))
    draws = sampled_kl(LAYOUT.split(flat), posterior.log_prob(flat).sum(-1), LAYOUT, prior_std=2.0)
    exact = kl_divergence(posterior, Normal(torch.zeros(6).double(), 2.0)).sum()
    assert draws.shape == (40_000,)
    torch.testing.assert_close(draws.mean(), exact, rtol=0.02, atol=0)


def test_the_prior_itself_has_no_divergence_in_any_draw() -> None:
    flat = 0.5 * torch.randn(2, 3, 6).double()
    log_density = Normal(0.0, 0.5).log_prob(flat).sum(-1)
    draws = sampled_kl(LAYOUT.split(flat), log_density, LAYOUT, prior_std=0.5)
    torch.testing.assert_close(draws, torch.zeros(2, 3).double())


def test_a_flow_that_is_the_prior_has_none_either() -> None:
    flow = Flow(6, couplings=0, start=math.log(2.0 - 1e-3), dtype=torch.float64)
    noise = torch.randn(5, 6, dtype=torch.float64)
    flat, log_det = flow.with_log_det(noise)
    log_density = Normal(0.0, 1.0).log_prob(noise).sum(-1) - log_det
    draws = sampled_kl(LAYOUT.split(flat), log_density, LAYOUT, prior_std=2.0)
    torch.testing.assert_close(draws, torch.zeros(5, dtype=torch.float64), atol=1e-12, rtol=0)


def test_only_the_layouts_part_counts() -> None:
    weights = LAYOUT.split(torch.randn(3, 6))
    part = LAYOUT.select("bias")
    given = sampled_kl(weights, torch.zeros(3), part)
    expected = -Normal(0.0, 1.0).log_prob(weights["bias"]).sum(-1)
    torch.testing.assert_close(given, expected)


def test_what_does_not_fit_is_refused() -> None:
    weights = LAYOUT.split(torch.randn(3, 6))
    with pytest.raises(ConfigError, match=r"expected one number for each context, \(3,\), got \(\)"):
        sampled_kl(weights, torch.zeros(()), LAYOUT)
    for std in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="expected a positive number"):
            sampled_kl(weights, torch.zeros(3), LAYOUT, prior_std=std)
    with pytest.raises(LayoutError, match="'bias' is missing"):
        sampled_kl({"weight": weights["weight"]}, torch.zeros(3), LAYOUT)
