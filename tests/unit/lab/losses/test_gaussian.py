import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.losses import gaussian_entropy, gaussian_kl

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
