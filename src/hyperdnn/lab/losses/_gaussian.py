"""A distribution over weights: how far it is from the prior, and how wide."""

import math

from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses._flat import flat
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["gaussian_entropy", "gaussian_kl", "gaussian_kl_between", "gaussian_moments", "sampled_kl"]


def gaussian_kl(weights: Weights, layout: ParamLayout, *, prior_std: float = 1.0) -> Tensor:
    """KL divergence of the generated Gaussian to the prior N(0, prior_std^2), summed over weights, in nats.

    Args:
        weights: generated for a target with ``combine=targets.Gaussian()``.
        layout: which of them: ``target.layout``, or both tensors of some parameters, ``target.layout.select("2.*")``.
        prior_std: the prior's deviation.

    Shape:
        each weight ``(*contexts, *shape)`` -> ``(*contexts,)``.

    Raises:
        ConfigError: if a tensor has no mean or log-scale beside it, or the prior's deviation is not positive.
        LayoutError: if a tensor is missing.

    Source:
        Blundell, Cornebise, Kavukcuoglu & Wierstra, "Weight Uncertainty in Neural Networks", ICML 2015, section 3, with
        the closed form in place of their sample.
    """
    _check(prior_std)
    means, log_scales = _moments(weights, layout)
    means, log_scales = means / prior_std, log_scales - math.log(prior_std)
    return (((2 * log_scales).exp() + means.square() - 1) / 2 - log_scales).sum(-1)


def gaussian_kl_between(weights: Weights, other: Weights, layout: ParamLayout) -> Tensor:
    """KL divergence of the generated Gaussian to another one, summed over weights, in nats.

    Args:
        weights: generated for a target with ``combine=targets.Gaussian()``.
        other: the Gaussian that it should be near, such as the posterior of what was learnt before, in the same form;
            without context dimensions, or with those of `weights`.
        layout: which of them, as for `gaussian_kl`.

    Shape:
        each weight ``(*contexts, *shape)`` -> ``(*contexts,)``.

    Raises:
        ConfigError: if a tensor has no mean or log-scale beside it.
        LayoutError: if a tensor is missing.

    Source:
        Nguyen, Li, Bui & Turner, "Variational Continual Learning", ICLR 2018, section 2 (an earlier posterior is the
        prior of what is learnt next).
    """
    means, log_scales = _moments(weights, layout)
    other_means, other_log_scales = _moments(other, layout)
    log_ratios = log_scales - other_log_scales
    shifts = (means - other_means) * (-other_log_scales).exp()
    return (((2 * log_ratios).exp() + shifts.square() - 1) / 2 - log_ratios).sum(-1)


def sampled_kl(weights: Weights, log_density: Tensor, layout: ParamLayout, *, prior_std: float = 1.0) -> Tensor:
    """What each draw of weights says about the KL divergence to the prior N(0, prior_std^2), in nats.

    The mean over draws estimates the divergence, without bias; a single value may be negative. In the bound on the
    evidence that is averaged over samples, it counts ``1 / len(data.train)``, whatever the size of a batch.

    Args:
        weights: drawn from a distribution with a known density, such as that of `bodies.Flow`.
        log_density: of each draw, ``(*contexts,)``.
        layout: which of them the prior is about, and the density; as for `gaussian_kl`.
        prior_std: the prior's deviation.

    Shape:
        each weight ``(*contexts, *shape)`` -> ``(*contexts,)``.

    Raises:
        ConfigError: if the prior's deviation is not positive, or the densities are of other contexts.
        LayoutError: if a tensor is missing.

    Source:
        Krueger et al., "Bayesian Hypernetworks", 2017, equation 3.
    """
    _check(prior_std)
    drawn = flat(weights, layout) / prior_std
    if log_density.shape != drawn.shape[:-1]:
        raise ConfigError(
            f"log_density: expected one number for each context, {tuple(drawn.shape[:-1])}, got "
            f"{tuple(log_density.shape)}."
        )
    constant = layout.numel * (math.log(2 * math.pi) / 2 + math.log(prior_std))
    return log_density + drawn.square().sum(-1) / 2 + constant


def gaussian_entropy(weights: Weights, layout: ParamLayout) -> Tensor:
    """Differential entropy of the generated Gaussian, summed over weights, in nats.

    Args:
        weights: generated for a target with ``combine=targets.Gaussian()``.
        layout: which of them, as for `gaussian_kl`.

    Shape:
        each weight ``(*contexts, *shape)`` -> ``(*contexts,)``.

    Raises:
        ConfigError: if a tensor has no mean or log-scale beside it.
        LayoutError: if a tensor is missing.
    """
    _, log_scales = _moments(weights, layout)
    return (log_scales + math.log(2 * math.pi * math.e) / 2).sum(-1)


def gaussian_moments(weights: Weights) -> Weights:
    """Means and deviations of the generated Gaussian, in place of means and log-scales.

    Their squared distance, summed over weights, is the squared 2-Wasserstein distance of two such Gaussians: give it to
    `output_change` as its measure, to keep distributions instead of the numbers that describe them.

    Args:
        weights: generated for a target with ``combine=targets.Gaussian()``; tensors of other names stay as they are.

    Returns:
        ``<name>.mean`` as it is, ``<name>.deviation`` in place of ``<name>.log_scale``.
    """
    moments = {}
    for name, tensor in weights.items():
        owner, _, role = name.rpartition(".")
        scale = role == "log_scale"
        moments[f"{owner}.deviation" if scale else name] = tensor.exp() if scale else tensor
    return moments


def _check(prior_std: float) -> None:
    if not 0 < prior_std < math.inf:
        raise ConfigError(f"prior_std={prior_std}: expected a positive number.")


def _moments(weights: Weights, layout: ParamLayout) -> tuple[Tensor, Tensor]:
    """Means and log-scales of the same numbers, each ``(*contexts, numel)``."""
    for name in layout.names:
        owner, _, role = name.rpartition(".")
        other = {"mean": "log_scale", "log_scale": "mean"}.get(role)
        if f"{owner}.{other}" not in layout:
            raise ConfigError(
                f"'{name}' is not one of a mean and a log-scale of the same parameter. Generate both: "
                "Target(net, combine=targets.Gaussian())."
            )
    means = layout.select(lambda spec: spec.name.endswith(".mean"))
    log_scales = layout.select(lambda spec: spec.name.endswith(".log_scale"))
    return flat(weights, means), flat(weights, log_scales)
