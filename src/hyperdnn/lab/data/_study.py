"""Studies of a treatment, whose effect on every unit is known because outcomes are simulated."""

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._folds import parts

__all__ = ["Study", "Trial", "trial"]

_TEST = 0.1


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Units, the treatment that each of them got, and what came of it.

    Args:
        covariates: ``(units, features)``.
        treatment: ``(units,)``, 0 or 1.
        outcome: ``(units,)``, under the treatment that was given, with noise.
        potential: ``(units, 2)``, the expected outcome without and with treatment, which no real study has: for
            judging, never for training.
        fold: ``(units,)``, see `folds`; None where nothing is cross-fitted.
    """

    covariates: Tensor
    treatment: Tensor
    outcome: Tensor
    potential: Tensor
    fold: Tensor | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    def __getitem__(self, index: Tensor) -> "Study":
        """Some of the units, by an index or a mask."""
        return Study(
            covariates=self.covariates[index],
            treatment=self.treatment[index],
            outcome=self.outcome[index],
            potential=self.potential[index],
            fold=None if self.fold is None else self.fold[index],
        )

    @property
    def effect(self) -> Tensor:
        """What treatment changes for each unit, ``(units,)``."""
        return self.potential[:, 1] - self.potential[:, 0]

    def sample(self, size: int, *, generator: torch.Generator) -> "Study":
        """Random units, none twice; all of them, in order, where the size is not smaller than the study."""
        if size >= len(self):
            return self
        index = torch.randperm(len(self), generator=generator, device=generator.device)[:size]
        return self[index.to(self.outcome.device)]

    def to(self, device: torch.device | str) -> "Study":
        """The same units on another device."""
        return Study(
            covariates=self.covariates.to(device),
            treatment=self.treatment.to(device),
            outcome=self.outcome.to(device),
            potential=self.potential.to(device),
            fold=None if self.fold is None else self.fold.to(device),
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A study in three parts, in standard units.

    Args:
        train: what is learnt from.
        validation: what training is stopped and settings are chosen by: factual outcomes only.
        test: units that are judged out of sample.
        scale: what an effect is multiplied by to be in the study's own unit.
    """

    train: Study
    validation: Study
    test: Study
    scale: float = 1.0

    def to(self, device: torch.device | str) -> "Trial":
        """The same trial on another device."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )


def trial(study: Study, *, units: int | None = None, validation: float = 0.3, seed: int) -> Trial:
    """Divide a study at random, with the treated in proportion, and standardise it by its training part.

    A tenth is the test part whatever the other arguments are, so that small and large trainings are judged alike.

    Args:
        study: to be divided.
        units: how many of the others to learn from, validation included; None for all.
        validation: share of validation among these.
        seed: of the division.

    Raises:
        ConfigError: more units than there are, or no treated or untreated ones to train on.
    """
    generator = torch.Generator().manual_seed(seed)
    part = parts(study.treatment, [1 - _TEST, _TEST], generator=generator)
    learnt, test = study[part == 0], study[part == 1]
    if units is not None:
        if not 1 <= units <= len(learnt):
            raise ConfigError(f"units: expected 1 to {len(learnt)}, got {units}.")
        share = units / len(learnt)
        learnt = learnt[parts(learnt.treatment, [share, 1 - share], generator=generator) == 0]
    part = parts(learnt.treatment, [1 - validation, validation], generator=generator)
    train, held = learnt[part == 0], learnt[part == 1]
    if len(torch.unique(train.treatment)) < 2:
        raise ConfigError(f"the {len(train)} training units are all treated alike: nothing says what treatment does.")
    mean, deviation = train.covariates.mean(0), train.covariates.std(0)
    deviation = torch.where(deviation > 0, deviation, 1.0)  # the same for all units of a small part
    shift, scale = train.outcome.mean(), train.outcome.std()

    def standard(one: Study) -> Study:
        return replace(
            one,
            covariates=(one.covariates - mean) / deviation,
            outcome=(one.outcome - shift) / scale,
            potential=(one.potential - shift) / scale,
        )

    return Trial(train=standard(train), validation=standard(held), test=standard(test), scale=scale.item())
