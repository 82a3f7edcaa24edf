"""How far functions of the covariates are from what was seen."""

from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.lab.data import Study

__all__ = ["Errors", "outcome_and_treatment_errors", "outcome_errors"]

Errors: TypeAlias = Callable[[Tensor, Study], Tensor]
"""Values of functions ``(*any, units, functions)`` and the study -> one error for each unit, ``(*any, units)``."""


def outcome_errors(values: Float[Tensor, "*any units functions"], study: Study) -> Float[Tensor, "*any units"]:
    """The squared error of the outcome under the treatment that was given; the other one was never seen.

    Args:
        values: the outcome without treatment, with it, and whatever else.
        study: the units.
    """
    given = values[..., :2].gather(-1, study.treatment.expand(values.shape[:-1]).unsqueeze(-1)).squeeze(-1)
    return (given - study.outcome).square()


def outcome_and_treatment_errors(
    values: Float[Tensor, "*any units functions"], study: Study
) -> Float[Tensor, "*any units"]:
    """The same, plus the cross-entropy of the treatment, of whose propensity the third function is the logit.

    Args:
        values: the outcome without treatment, with it, and the logit.
        study: the units.
    """
    treatment = study.treatment.to(values).expand(values.shape[:-1])
    unlikely = F.binary_cross_entropy_with_logits(values[..., 2], treatment, reduction="none")
    return outcome_errors(values, study) + unlikely
