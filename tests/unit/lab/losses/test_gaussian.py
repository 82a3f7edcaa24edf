import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.losses import (
    gaussian_entropy,
    gaussian_kl,
    gaussian_kl_between,
    gaussian_moments,
    output_change,
    remember,
)

LAYOUT = hd.Target(nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2)), combine=targets.Gaussian()).layout


def _weights(*contexts: int) -> dict[str, torch.Tensor]:
    return {spec.name: torch.randn(*contexts, *spec.shape, dtype=torch.float64) for spec in LAYOUT}


def _normals(weights: dict[str, torch.Tensor]) -> list[Normal]:
    names = [name.removesuffix(".mean") for name in weights if name.endswith(".mean")]
    return [Normal(weights[f"{n}.mean"], weights[f"{n}.log_scale"].exp()) for n in names]


@pytest.mark.parametrize("prior_std", [1.0, 0.3])
def test_the_divergence_is_torchs_own(prior_std: float) -> None:
    weights = _weights()
    prior = Normal(0.0, prior_std)
    expected = sum(kl_divergence(normal, prior).sum() for normal in _normals(weights))
    torch.testing.assert_close(gaussian_kl(weights, LAYOUT, prior_std=prior_std), expected)


def test_the_entropy_is_torchs_own() -> None:
    weights = _weights()
    torch.testing.assert_close(gaussian_entropy(weights, LAYOUT), sum(n.entropy().sum() for n in _normals(weights)))


@pytest.mark.parametrize("loss", [gaussian_kl, gaussian_entropy])
@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)], ids=str)
def test_there_is_one_number_for_each_context(loss, contexts) -> None:
    weights = _weights(*contexts)
    found = loss(weights, LAYOUT)
    assert found.shape == contexts
    flat = {name: w.reshape(-1, *LAYOUT[name].shape) for name, w in weights.items()}
    for i, one in enumerate(found.flatten()):
        torch.testing.assert_close(one, loss({name: w[i] for name, w in flat.items()}, LAYOUT))


def test_the_prior_itself_is_at_distance_zero() -> None:
    weights = {n: torch.full(LAYOUT[n].shape, math.log(0.5) if "log" in n else 0.0) for n in LAYOUT.names}
    assert gaussian_kl(weights, LAYOUT, prior_std=0.5).item() == pytest.approx(0, abs=1e-6)


def test_a_part_of_the_layout_is_enough() -> None:
    weights = _weights(2)
    parts = [gaussian_kl(weights, LAYOUT.select(glob)) for glob in ("0.*", "1.*", "2.*")]
    torch.testing.assert_close(sum(parts), gaussian_kl(weights, LAYOUT))


@pytest.mark.parametrize("glob", ["*.mean", "*.log_scale"])
def test_both_tensors_are_needed(glob: str) -> None:
    with pytest.raises(ConfigError, match=r"'0\.weight\.\w+' is not one of a mean and a log-scale .*targets\.Gaussian"):
        gaussian_kl(_weights(), LAYOUT.select(glob))


def test_plain_weights_are_no_gaussian() -> None:
    layout = hd.ParamLayout.of(nn.Linear(3, 2))
    with pytest.raises(ConfigError, match="'weight' is not one of a mean and a log-scale"):
        gaussian_entropy({spec.name: torch.zeros(spec.shape) for spec in layout}, layout)


def test_a_missing_tensor_is_named() -> None:
    weights = _weights()
    del weights["2.bias.mean"]
    with pytest.raises(LayoutError, match=r"'2\.bias\.mean' is missing"):
        gaussian_kl(weights, LAYOUT)


@pytest.mark.parametrize("prior_std", [0.0, -1.0, math.inf, math.nan])
def test_a_prior_has_a_positive_deviation(prior_std: float) -> None:
    with pytest.raises(ConfigError, match=f"prior_std={prior_std}: expected a positive number"):
        gaussian_kl(_weights(), LAYOUT, prior_std=prior_std)


def test_the_divergence_between_two_is_torchs_own() -> None:
    weights, other = _weights(), _weights()
    expected = sum(kl_divergence(a, b).sum() for a, b in zip(_normals(weights), _normals(other), strict=True))
    torch.testing.assert_close(gaussian_kl_between(weights, other, LAYOUT), expected)
    assert gaussian_kl_between(weights, weights, LAYOUT).item() == pytest.approx(0, abs=1e-12)


def test_the_divergence_from_a_normal_is_that_from_the_prior() -> None:
    weights = _weights(2, 3)
    prior = {n: torch.full(LAYOUT[n].shape, math.log(0.5) if "log" in n else 0.0) for n in LAYOUT.names}
    torch.testing.assert_close(gaussian_kl_between(weights, prior, LAYOUT), gaussian_kl(weights, LAYOUT, prior_std=0.5))
    with pytest.raises(LayoutError):
        gaussian_kl_between(weights, {}, LAYOUT)


def test_the_divergence_between_two_is_differentiable_where_both_are_certain() -> None:
    weights = {n: torch.zeros(LAYOUT[n].shape, requires_grad=True) for n in LAYOUT.names}
    other = {n: torch.full(LAYOUT[n].shape, -12.0 if "log" in n else 0.0) for n in LAYOUT.names}
    gaussian_kl_between(weights, other, LAYOUT).backward()
    assert all(w.grad is not None and bool(w.grad.isfinite().all()) for w in weights.values())


def test_moments_make_the_squared_distance_that_of_wasserstein() -> None:
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 4), body=bodies.MLP(4, 8), head=heads.FullHead(8, LAYOUT)).double()
    contexts = torch.arange(3)
    memory = remember(hypernet, contexts, measure=gaussian_moments)
    before = hypernet(contexts)
    with torch.no_grad():
        for parameter in hypernet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    after = hypernet(contexts)
    expected = torch.zeros((), dtype=torch.float64)
    for a, b in zip(_normals(after), _normals(before), strict=True):  # the closed form for diagonal Gaussians
        expected += ((a.loc - b.loc) ** 2 + (a.scale - b.scale) ** 2).sum() / 3
    torch.testing.assert_close(output_change(hypernet, memory, measure=gaussian_moments), expected)
    with pytest.raises(ConfigError, match=r"measure: it gives no '0\.weight\.deviation'.*the one that remember had"):
        output_change(hypernet, memory)


def test_moments_leave_other_tensors_alone() -> None:
    weights = {"0.weight.mean": torch.ones(2), "0.weight.log_scale": torch.zeros(2), "bias": torch.ones(3)}
    found = gaussian_moments(weights)
    assert list(found) == ["0.weight.mean", "0.weight.deviation", "bias"]
    assert found["0.weight.deviation"].equal(torch.ones(2))
    assert found["bias"] is weights["bias"]
