"""How good predicted distributions over numbers are."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.lab.losses import gaussian_nll

__all__ = ["coverage", "coverage_curve", "prediction_rows", "quantiles_of", "regression_summary"]

_LEVELS = tuple(level / 20 for level in range(1, 20))


def regression_summary(
    outputs: Float[Tensor, "networks samples two"], targets: Float[Tensor, " samples"], *, unit: float = 1.0
) -> dict[str, float]:
    """Error of the mean, likelihood of the mixture, and how much its central 90 % holds.

    Several networks, each with its Gaussian noise, predict together: their equal mixture. Its density is what the
    likelihood is of, not the mean of the networks' log-densities.

    Args:
        outputs: mean and log-deviation by each network, as `baselines.WithNoise` gives them.
        targets: what was observed.
        unit: what 1 stands for in the data's own unit, in which the numbers are (``task.unit``).

    Returns:
        ``rmse``, ``nll`` (nats for each sample) and ``coverage_90``, a fraction.
    """
    outputs, targets = outputs.double(), targets.double()
    log_densities = -gaussian_nll(outputs, targets)
    nll = math.log(len(outputs)) - log_densities.logsumexp(0).mean()
    rmse = (outputs[..., 0].mean(0) - targets).square().mean().sqrt()
    return {
        "rmse": unit * rmse.item(),
        "nll": nll.item() + math.log(unit),
        "coverage_90": coverage(quantiles_of(outputs, targets), 0.9),
    }


def quantiles_of(
    outputs: Float[Tensor, "networks samples two"], targets: Float[Tensor, " samples"]
) -> Float[Tensor, " samples"]:
    """Where each number lies in its predicted mixture: uniform between 0 and 1 if predictions are calibrated."""
    mean, log_scale = outputs.double().unbind(-1)
    quantiles: Tensor = torch.special.ndtr((targets.double() - mean) / log_scale.exp())
    return quantiles.mean(0)


def coverage(quantiles: Float[Tensor, " samples"], level: float) -> float:
    """The share of samples within their central interval of a level: ``coverage(quantiles_of(...), 0.9)``."""
    inside = (quantiles - 0.5).abs() <= level / 2
    return inside.double().mean().item()


def coverage_curve(
    outputs: Float[Tensor, "networks samples two"], targets: Float[Tensor, " samples"]
) -> list[list[float]]:
    """Pairs of a level and its coverage, for `report.uncertainty_figures`; the diagonal is perfect."""
    quantiles = quantiles_of(outputs, targets)
    return [[level, coverage(quantiles, level)] for level in _LEVELS]


def prediction_rows(
    outputs: Float[Tensor, "networks samples two"], targets: Float[Tensor, " samples"], *, most: int = 60
) -> list[list[float]]:
    """Mean, deviation due to the networks' disagreement, whole deviation and target of the first samples."""
    outputs, targets = outputs[:, :most].double(), targets[:most].double()
    means, noise = outputs[..., 0], (2 * outputs[..., 1]).exp().mean(0)
    variance = means.var(0, correction=0)
    return torch.stack([means.mean(0), variance.sqrt(), (variance + noise).sqrt(), targets], dim=-1).tolist()
