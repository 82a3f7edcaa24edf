"""Guesses of each unit's effect that are right on average, to learn the effect from."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.lab.data import Study

__all__ = ["Formula", "doubly_robust", "regression_adjustment"]

Formula: TypeAlias = Callable[[Tensor, Study], Tensor]
"""Values of functions ``(units, functions)`` and the study -> a guess of each unit's effect, ``(units,)``."""


def regression_adjustment(values: Float[Tensor, "units functions"], study: Study) -> Float[Tensor, " units"]:
    """The outcome that was seen against the other one, as it is estimated (RA-learner).

    Args:
        values: the outcome without treatment, with it, and whatever else.
        study: the units.

    Source:
        Künzel et al., "Metalearners for estimating heterogeneous treatment effects", PNAS 116, 2019; Curth & van der
        Schaar, "Nonparametric estimation of heterogeneous treatment effects", AISTATS 2021.
    """
    return torch.where(study.treatment == 1, study.outcome - values[:, 0], values[:, 1] - study.outcome)


def doubly_robust(
    values: Float[Tensor, "units functions"], study: Study, *, rarest: float = 0.05
) -> Float[Tensor, " units"]:
    """The estimated effect, corrected by the error of the outcome that was seen over how likely it was (DR-learner).

    Right on average if either the outcomes or the propensity are.

    Args:
        values: the outcome without treatment, with it, and the logit of the propensity.
        study: the units.
        rarest: propensities are kept so far from 0 and 1.

    Source:
        Kennedy, "Towards optimal doubly robust estimation of heterogeneous causal effects", EJS 17, 2023.
    """
    chance = values[:, 2].sigmoid().clamp(rarest, 1 - rarest)
    t, y = study.treatment.to(values), study.outcome
    treated, untreated = t / chance, (1 - t) / (1 - chance)
    return (treated - untreated) * y + (1 - treated) * values[:, 1] - (1 - untreated) * values[:, 0]
