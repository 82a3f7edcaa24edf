"""The effect as a network of its own, learnt from guesses that come by cross-fitting."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Study, Trial, folds
from hyperdnn.lab.effects._errors import Errors
from hyperdnn.lab.effects._pseudo_outcomes import Formula
from hyperdnn.lab.train import Outcome, Stage, State, stages

__all__ = ["TwoStages", "two_stages"]


@final
class TwoStages(nn.Module):
    """Functions of the covariates for each fold, learnt without it, and the effect, learnt from what they say.

    Args:
        first: one module for each fold, ``(units, features)`` -> ``(units, functions)``.
        second: ``(units, features)`` -> ``(units, 1)``.

    Raises:
        ConfigError: fewer than two folds.
    """

    def __init__(self, first: Sequence[nn.Module], second: nn.Module) -> None:
        super().__init__()
        if len(first) < 2:
            raise ConfigError(f"TwoStages: expected a module for each of at least two folds, got {len(first)}.")
        self.first = nn.ModuleList(first)
        self.second = second

    def forward(self, covariates: Float[Tensor, "units features"]) -> Float[Tensor, "folds units functions"]:
        return torch.stack([functions(covariates) for functions in self.first])

    def effect(self, covariates: Float[Tensor, "units features"]) -> Float[Tensor, " units"]:
        """What treatment changes for each unit."""
        effect: Tensor = self.second(covariates).squeeze(-1)
        return effect


def two_stages(errors: Errors, formula: Formula) -> Callable[..., Outcome]:
    """A loop for `TwoStages`: first all folds at once, each on the units of the others, then the effect.

    Each unit's guess comes from the functions that have not seen it, and those of validation units from the mean of
    all. Both stages may stop early, by what they minimise, on validation units.

    Args:
        errors: what the functions minimise.
        formula: what makes a guess of the effect of what they say.
    """
    first = Stage(
        part="first",
        step=partial(_first_step, errors=errors),
        data=_in_folds,
        validate=partial(_first_validate, errors=errors),
    )
    second = Stage(
        part="second", step=_second_step, data=partial(_with_guesses, formula=formula), validate=_second_validate
    )
    return partial(stages, plan=(first, second))


def _in_folds(model: TwoStages, trial: Trial) -> Trial:
    treatment = trial.train.treatment
    fold = folds(treatment.cpu(), len(model.first), generator=torch.Generator().manual_seed(0))
    return replace(trial, train=replace(trial.train, fold=fold.to(treatment.device)))


def _first_step(model: TwoStages, batch: Study, state: State, *, errors: Errors) -> dict[str, Tensor]:
    assert batch.fold is not None  # see _in_folds
    others = batch.fold != torch.arange(len(model.first), device=batch.fold.device)[:, None]
    found = errors(model(batch.covariates), batch)
    number = others.sum(-1).clamp(min=1)  # a small batch may lie in one fold, from which its functions learn nothing
    return {"loss": ((found * others).sum(-1) / number).sum()}  # a sum: folds are independent


def _first_validate(model: TwoStages, trial: Trial, *, errors: Errors) -> float:
    return errors(model(trial.validation.covariates), trial.validation).mean().item()


def _with_guesses(model: TwoStages, trial: Trial, *, formula: Formula) -> Trial:
    train, validation = _in_folds(model, trial).train, trial.validation
    unseen = model(train.covariates)[train.fold, torch.arange(len(train), device=train.outcome.device)]
    return replace(
        trial,
        train=replace(train, outcome=formula(unseen, train)),
        validation=replace(validation, outcome=formula(model(validation.covariates).mean(0), validation)),
    )


def _second_step(model: TwoStages, batch: Study, state: State) -> dict[str, Tensor]:
    return {"loss": F.mse_loss(model.effect(batch.covariates), batch.outcome)}


def _second_validate(model: TwoStages, trial: Trial) -> float:
    return F.mse_loss(model.effect(trial.validation.covariates), trial.validation.outcome).item()
