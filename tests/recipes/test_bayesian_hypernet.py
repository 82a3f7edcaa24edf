"""What a naive reading of the publication gets wrong."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from hyperdnn import bodies, lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.uncertainty import bayesian_hypernet as recipe


@pytest.fixture
def config() -> recipe.Config:
    return configuration("uncertainty/bayesian_hypernet", "tiny")


def state(model: torch.nn.Module, config: recipe.Config, step: int = 0) -> lab.train.State:
    return lab.train.State(model=model, config=config, generator=torch.Generator().manual_seed(0), step=step)


def test_only_scales_are_generated_and_they_start_at_the_targets_own(config: recipe.Config) -> None:
    torch.manual_seed(0)
    model = recipe.build(config)
    torch.manual_seed(0)
    own = dict(recipe.build_target(config).named_parameters())
    assert model.target.layout.numel == sum(config.target) + 10  # one for each unit
    kept = {name.removeprefix("module.") for name, _ in model.target.named_parameters()}
    assert kept == {name for name in own if not name.endswith("original0")}
    weights = model.generate(model.hypernet.encoder.sample(500))
    for name, drawn in weights.items():
        torch.testing.assert_close(drawn.mean(0), own[name], atol=0.01, rtol=0.02)
        assert 0 < drawn.std(0).max() < 0.01


def test_the_loss_is_the_bound_for_one_sample(config: recipe.Config) -> None:
    """By another way: density by the autograd Jacobian, one network at a time, 1/N with N the samples of the set."""
    torch.manual_seed(0)
    config = dataclasses.replace(config, draws=3, precision=4.0, warmup=0)
    model = recipe.build(config)
    batch = recipe.data(config).train.sample(20, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    given = recipe.step(model, batch, state(model, config))
    torch.manual_seed(1)
    noise = model.hypernet.encoder.sample(3)
    fits, divergences = [], []
    for one in noise:
        jacobian = torch.autograd.functional.jacobian(model.hypernet.body, one)
        log_density = Normal(0.0, 1.0).log_prob(one).sum() - torch.linalg.slogdet(jacobian).logabsdet
        scales = model.hypernet.body(one)
        divergences.append(log_density - Normal(0.0, 0.5).log_prob(scales).sum())
        outputs = model(batch.inputs, context=one)
        fits.append(torch.nn.functional.cross_entropy(outputs, batch.targets))
    torch.testing.assert_close(given["divergence"], torch.stack(divergences).mean(), rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(given["misfit"], torch.stack(fits).mean())
    expected = torch.stack(fits).mean() + torch.stack(divergences).mean() / 1257
    torch.testing.assert_close(given["loss"], expected, rtol=1e-4, atol=1e-4)


def test_the_divergence_gains_its_weight_in_the_warmup(config: recipe.Config) -> None:
    config = dataclasses.replace(config, warmup=10)
    model = recipe.build(config)
    batch = recipe.data(config).train.sample(20, generator=torch.Generator().manual_seed(0))
    for step, share in ((0, 0.1), (4, 0.5), (9, 1.0), (500, 1.0)):
        found = recipe.step(model, batch, state(model, config, step))
        torch.testing.assert_close(found["loss"], found["misfit"] + share * found["divergence"] / 1257)


def test_the_density_of_drawn_scales_is_exact(config: recipe.Config) -> None:
    model = recipe.build(config)
    flow = model.hypernet.body
    for p in flow.parameters():
        torch.nn.init.normal_(p, std=0.1)
    for one in model.hypernet.encoder.sample(3):
        exact = torch.linalg.slogdet(torch.autograd.functional.jacobian(flow, one)).logabsdet
        torch.testing.assert_close(flow.with_log_det(one)[1], exact, atol=1e-4, rtol=0)


@torch.no_grad()
def _correlation(flow: bodies.Flow) -> float:
    return float(torch.corrcoef(flow(torch.randn(20_000, 2)).mT)[0, 1])


def _toy(flow: bodies.Flow) -> bodies.Flow:
    """Fitted to two narrow modes at (1, 1) and (-1, -1)."""

    def log_target(at: Tensor) -> Tensor:
        modes = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
        return -((at.unsqueeze(-2) - modes).square().sum(-1) / (2 * 0.4**2))

    optimizer = torch.optim.Adam(flow.parameters(), lr=0.02)
    for _ in range(250):
        noise = torch.randn(256, 2)
        drawn, log_det = flow.with_log_det(noise)
        loss = (-log_det - log_target(drawn).logsumexp(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return flow


def test_couplings_find_correlations_that_a_diagonal_posterior_cannot() -> None:
    torch.manual_seed(0)
    assert abs(_correlation(_toy(bodies.Flow(2, couplings=0)))) < 0.05
    assert abs(_correlation(_toy(bodies.Flow(2, couplings=4, width=32)))) > 0.2


def test_the_same_networks_judge_familiar_and_unfamiliar_images_alike(config: recipe.Config) -> None:
    torch.manual_seed(0)
    model, data = recipe.build(config).eval(), recipe.data(config)
    found = recipe.evaluate(model, dataclasses.replace(data, outside=data.task))
    assert found["auroc"] == pytest.approx(0.5, abs=0.03)
    assert math.isfinite(found["nll"])


def test_a_regression_set_goes_the_same_way(config: recipe.Config) -> None:
    config = dataclasses.replace(config, source="diabetes", outside="none", rows=50)
    data, model = recipe.data(config), recipe.build(config)
    batch = data.train.sample(20, generator=torch.Generator().manual_seed(0))
    assert batch.total == 50
    recipe.step(model, batch, state(model, config))["loss"].backward()
    assert model.target.module.log_scale.grad.any()
    assert {"rmse", "nll", "coverage_90"} < recipe.evaluate(model.eval(), data).keys()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"dropout": 0.0}, "dropout: expected more than 0 and less than 1"),
        ({"precision": 0.0}, "precision: expected a positive number"),
        ({"draws": 0}, "draws: expected 1 or more"),
    ],
)
def test_what_could_not_be_measured_is_refused_before_training(changes: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        recipe.Config(**changes)
