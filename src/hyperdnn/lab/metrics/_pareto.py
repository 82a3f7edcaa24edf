"""How good a front is, and where it is measured."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError, MissingExtraError

__all__ = ["circle_rays", "hypervolume", "ray_control", "uniformity"]


def circle_rays(count: int, *, margin: float = 0.1) -> Float[Tensor, "count 2"]:
    """Rays between two objectives, at equal angles on a quarter of a circle and then scaled to sum one.

    Args:
        count: how many, 2 or more.
        margin: angle in radians between the outer rays and the axes.

    Raises:
        ConfigError: fewer than two rays, or a margin that leaves no room between them.

    Source:
        Navon et al., "Learning the Pareto front with hypernetworks", ICLR 2021 (25 of them, in the authors' code).
    """
    if count < 2:
        raise ConfigError(f"count: expected 2 rays or more, got {count}.")
    if not 0 <= margin < math.pi / 4:
        raise ConfigError(f"margin: expected an angle from 0 to below {math.pi / 4:.3f}, got {margin}.")
    angles = torch.linspace(margin, math.pi / 2 - margin, count, dtype=torch.float64)
    points = torch.stack([angles.cos(), angles.sin()], dim=-1).clamp_min(0)  # the cosine of a right angle rounds
    return (points / points.sum(-1, keepdim=True)).float()


def hypervolume(losses: Float[Tensor, "points objectives"], reference: Sequence[float | int]) -> float:
    """The volume between a reference point and the losses that dominate it: larger is better.

    Fronts compare only at a common reference. A point that is worse than it in any objective counts for nothing.

    Args:
        losses: one point for each model.
        reference: one number for each objective.

    Raises:
        ConfigError: another number of objectives, or losses that are not finite.

    Source:
        Zitzler & Thiele, "Multiobjective evolutionary algorithms", IEEE Transactions on Evolutionary Computation 3,
        1999; computed by moocore.
    """
    if losses.ndim != 2 or losses.shape[1] != len(reference):
        raise ConfigError(f"losses: expected (points, {len(reference)}), as the reference, got {tuple(losses.shape)}.")
    if not bool(losses.isfinite().all()):
        raise ConfigError("losses: expected finite numbers. Leave diverged models out, or report them as such.")
    try:
        import moocore
    except ImportError as error:
        raise MissingExtraError("moocore", extra="lab") from error
    return float(moocore.hypervolume(losses.detach().cpu().double().numpy(), ref=list(reference)))


def uniformity(
    losses: Float[Tensor, "*contexts objectives"], rays: Float[Tensor, "*contexts objectives"]
) -> Float[Tensor, "*contexts"]:
    """How nearly each model lies where its ray asks: ``r_1 l_1 = ... = r_J l_J``.

    One minus the divergence of the shares ``r_j l_j / sum(r l)`` from equal ones: 1 exactly on the ray, ``1 - log J``
    at worst.

    Args:
        losses: 0 or more.
        rays: 0 or more, of the same shape.

    Source:
        Mahapatra & Rajan, "Multi-task learning with user preferences: gradient descent with controlled ascent in Pareto
        optimization", ICML 2020.
    """
    shares = rays * losses / (rays * losses).sum(-1, keepdim=True)
    entropy: Tensor = torch.special.entr(shares).sum(-1)
    return 1 - math.log(shares.shape[-1]) + entropy


def ray_control(losses: Float[Tensor, "models objectives"], rays: Float[Tensor, "..."]) -> float:
    """Whether a larger share for an objective makes its loss smaller: 1 always, 0 regardless, -1 the other way.

    Minus the rank correlation of shares and losses, mean over objectives.

    Args:
        losses: of two models or more.
        rays: what was asked of each.

    Raises:
        ConfigError: shapes that do not fit.

    Source:
        Spearman, "The proof and measurement of association between two things", American Journal of Psychology 15,
        1904; computed by torchmetrics.
    """
    if losses.shape != rays.shape or losses.ndim != 2 or len(losses) < 2:
        raise ConfigError(
            f"ray_control: expected two models or more, (models, objectives), got losses {tuple(losses.shape)} and "
            f"rays {tuple(rays.shape)}."
        )
    try:
        from torchmetrics.functional.regression import spearman_corrcoef
    except ImportError as error:
        raise MissingExtraError("torchmetrics", extra="lab") from error
    return -float(spearman_corrcoef(losses.double(), rays.double()).mean())
