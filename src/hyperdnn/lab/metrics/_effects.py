"""How well the effect of a treatment is estimated, unit by unit and on average."""

from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["effect_errors"]


def effect_errors(estimated: Float[Tensor, " estimates"], true: Float[Tensor, " units"]) -> dict[str, float]:
    """The error of individual effects and of their mean.

    Both are in the outcome's unit, so replications whose effects differ in size do not average fairly.

    Args:
        estimated: what treatment changes for each unit, as it is estimated.
        true: the same, as it is.

    Returns:
        ``pehe``, the root of the precision in estimation of heterogeneous effects, that is the root mean square error
        of the effects; ``ate_error``, the absolute error of the average treatment effect.

    Raises:
        ConfigError: no unit, or not as many estimates as effects.

    Source:
        Hill, "Bayesian nonparametric modeling for causal inference", JCGS 20, 2011.
    """
    if estimated.shape != true.shape or not estimated.numel():
        raise ConfigError(f"effects: expected as many estimates as effects, got {len(estimated)} and {len(true)}.")
    errors = (estimated - true).double()
    return {"pehe": errors.square().mean().sqrt().item(), "ate_error": errors.mean().abs().item()}
