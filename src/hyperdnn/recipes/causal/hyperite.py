"""DOC"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, lab
from hyperdnn.lab import baselines


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting, with its hyperparameters as in the authors' code."""

    seed: int = 0  # of initial weights and division; its last digit is the replication of IHDP
    source: Literal["ihdp", "simulated"] = "ihdp"
    units: int | None = None  # to learn from, validation included; null for all
    network: tuple[int, ...] = (100, 100)  # hidden widths of the network of each function
    hypernet: tuple[int, ...] = (100, 100)  # hidden widths of the network that generates them
    embedding: int = 8  # width of the embedding of a function
    spread: float = 1.0  # deviation of embeddings at the start: functions with close ones start alike
    dropout: float = 0.05  # of the hypernet's features
    reparametrize: Literal["none", "spectral"] = "spectral"  # of the hypernet's layers
    chunks: int = 10  # into which the weights of a function are divided
    folds: int = 5  # of cross-fitting
    train: lab.train.Settings = lab.train.Settings(
        iterations=5000, batch_size=1024, lr=1e-4, weight_decay=1e-4, patience=50, validate_every=1
    )

    @property
    def replication(self) -> int:
        """Seeds 0 to 9 are the ten replications, so variants are compared pair by pair."""
        return self.seed % 10


_RAREST = 0.05  # propensities are kept so far from 0 and 1

Generate: TypeAlias = Callable[[Config, hd.Target, int], nn.Module]  # a strategy, for so many functions
Errors: TypeAlias = Callable[[Tensor, lab.data.Study], Tensor]
Formula: TypeAlias = Callable[[Tensor, lab.data.Study], Tensor]


def data(config: Config) -> lab.data.Trial:
    """One replication, divided and standardised."""
    if config.source == "ihdp":
        study = lab.data.ihdp(config.replication)
    else:
        study = lab.data.simulated_study(400, seed=config.replication)
    return lab.data.trial(study, units=config.units, seed=config.seed)


# Strategies: what generates the functions of a target, or holds them.


def once(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """All weights of a function by one output map."""
    head = heads.FullHead(config.hypernet[-1], target.layout)
    encoder = encoders.Table(functions, config.embedding, std=config.spread)
    return hd.Hypernet(encoder=encoder, body=build_body(config, config.embedding), head=head)


def split(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """Each tensor by an output map of its own."""
    head = heads.MultiHead(config.hypernet[-1], target.layout)
    encoder = encoders.Table(functions, config.embedding, std=config.spread)
    return hd.Hypernet(encoder=encoder, body=build_body(config, config.embedding), head=head)


def layers(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """Layer by layer, with an embedding of each layer."""
    head = heads.ComponentHead(config.hypernet[-1], target.layout)
    encoder, slots = encoders.Table(functions, config.embedding, std=config.spread), encoders.Slots(head.slots, config.embedding)
    return hd.Hypernet(encoder=encoder, slots=slots, body=build_body(config, 2 * config.embedding), head=head)


def chunks(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """Chunk by chunk of the flat vector, with an embedding of each chunk of each function."""
    head = heads.ChunkedHead(config.hypernet[-1], target.layout, math.ceil(target.layout.numel / config.chunks))
    encoder = encoders.Table(functions, head.slots * config.embedding, std=config.spread)
    slots = nn.Unflatten(-1, (head.slots, config.embedding))
    return hd.Hypernet(encoder=encoder, slots=slots, body=build_body(config, config.embedding), head=head)


def plain(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """No hypernet: each function has weights of its own."""
    return baselines.Separate(functions, target.layout)


def build_body(config: Config, features: int) -> bodies.MLP:
    """What lies between the embeddings and the output maps."""
    return bodies.MLP(features, *config.hypernet, dropout=config.dropout, reparametrize=config.reparametrize)


# Learners: which functions there are, and what they say of the effect.


@final
class Functions(nn.Module):
    """Functions of the covariates: the outcome without and with treatment and, if there is a third, the propensity.

    ``(units, features)`` -> ``(units, functions)``; the propensity as a logit.
    """

    def __init__(self, target: hd.Target, hypernet: nn.Module, functions: int) -> None:
        super().__init__()
        self.networks = hd.HyperDNN(target, hypernet)
        self.register_buffer("contexts", torch.arange(functions), persistent=False)

    def forward(self, covariates: Tensor) -> Tensor:
        values: Tensor = self.networks(covariates, context=self.contexts, data_dims=None)
        return values.squeeze(-1).T

    def effect(self, covariates: Tensor) -> Tensor:
        """What treatment changes for each unit, ``(units,)``."""
        values = self(covariates)
        return values[:, 1] - values[:, 0]


@final
class OneFunction(nn.Module):
    """One function of covariates and treatment, at both treatments."""

    def __init__(self, function: Functions) -> None:
        super().__init__()
        self.function = function

    def forward(self, covariates: Tensor) -> Tensor:
        rows = [F.pad(covariates, (0, 1), value=treatment) for treatment in (0.0, 1.0)]
        return torch.cat([self.function(each) for each in rows], dim=-1)

    def effect(self, covariates: Tensor) -> Tensor:
        """What treatment changes for each unit, ``(units,)``."""
        values = self(covariates)
        return values[:, 1] - values[:, 0]


@final
class TwoStages(nn.Module):
    """Functions for each fold, learnt without it, and a network of the effect that is learnt from them."""

    def __init__(self, first: Sequence[Functions], effect: nn.Module) -> None:
        super().__init__()
        self.first = nn.ModuleList(first)
        self.second = effect

    def forward(self, covariates: Tensor) -> Tensor:
        """What each fold's functions say: ``(folds, units, functions)``."""
        return torch.stack([functions(covariates) for functions in self.first])

    def effect(self, covariates: Tensor) -> Tensor:
        """What treatment changes for each unit, ``(units,)``."""
        effect: Tensor = self.second(covariates).squeeze(-1)
        return effect


def build_functions(
    config: Config, *, generate: Generate = once, functions: int = 2, inputs: int = 0, shared: int = 0
) -> Functions:
    """T-learner, or TARNet where the first layers are shared: these are trained as they are, not generated."""
    net = build_net(config, inputs or covariates(config))
    target = hd.Target(net, [f"{2 * layer}.*" for layer in range(shared, len(config.network) + 1)])
    return Functions(target, generate(config, target, functions), functions)


def build_one(config: Config, *, generate: Generate = once) -> OneFunction:
    """S-learner."""
    return OneFunction(build_functions(config, generate=generate, functions=1, inputs=covariates(config) + 1))


def build_stages(config: Config, *, generate: Generate = once, functions: int = 2) -> TwoStages:
    """RA-learner, or with the propensity as a third function DR-learner."""
    first = [build_functions(config, generate=generate, functions=functions) for _ in range(config.folds)]
    return TwoStages(first, build_net(config, covariates(config)))


def build_net(config: Config, inputs: int) -> nn.Module:
    """A ReLU network with one output."""
    hidden = [layer for i, o in pairwise((inputs, *config.network)) for layer in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(config.network[-1], 1))


def covariates(config: Config) -> int:
    """How many there are."""
    return data(config).train.covariates.shape[1]


# Losses. Only factual outcomes are looked at, in training and in validation.


def outcome_errors(values: Tensor, study: lab.data.Study) -> Tensor:
    """The squared error of the function of the treatment that was given: ``(..., units)``."""
    given = torch.where(study.treatment == 1, values[..., 1], values[..., 0])
    return (given - study.outcome).square()


def all_errors(values: Tensor, study: lab.data.Study) -> Tensor:
    """The same, and the cross-entropy of the treatment."""
    treatment = study.treatment.to(values).expand(values.shape[:-1])
    chosen = F.binary_cross_entropy_with_logits(values[..., 2], treatment, reduction="none")
    return outcome_errors(values, study) + chosen


def step(model: nn.Module, batch: lab.data.Study, state: lab.train.State) -> dict[str, Tensor]:
    """The mean squared error of factual outcomes."""
    return {"loss": outcome_errors(model(batch.covariates), batch).mean()}


def validate(model: nn.Module, trial: lab.data.Trial) -> float:
    """The same on units that are not trained on."""
    return outcome_errors(model(trial.validation.covariates), trial.validation).mean().item()


# Two stages.


def dealt(model: TwoStages, trial: lab.data.Trial) -> lab.data.Trial:
    """The trial with its training units in folds."""
    fold = lab.data.folds(trial.train.treatment.cpu(), len(model.first), generator=torch.Generator().manual_seed(0))
    return replace(trial, train=replace(trial.train, fold=fold.to(trial.train.treatment.device)))


def first_step(model: TwoStages, batch: lab.data.Study, state: lab.train.State, *, errors: Errors) -> dict[str, Tensor]:
    """Each fold's functions on the units of the other folds."""
    assert batch.fold is not None
    others = batch.fold != torch.arange(len(model.first), device=batch.fold.device)[:, None]
    found = errors(model(batch.covariates), batch)
    return {"loss": ((found * others).sum(-1) / others.sum(-1)).sum()}


def first_validate(model: TwoStages, trial: lab.data.Trial, *, errors: Errors) -> float:
    """The mean over folds on the validation units, which none of them has seen."""
    return errors(model(trial.validation.covariates), trial.validation).mean().item()


def with_pseudo_outcomes(model: TwoStages, trial: lab.data.Trial, *, formula: Formula) -> lab.data.Trial:
    """The trial with an unbiased guess of the effect as outcome: of each unit by functions that have not seen it."""
    train, validation = dealt(model, trial).train, trial.validation
    own = model(train.covariates)[train.fold, torch.arange(len(train))]
    return replace(
        trial,
        train=replace(train, outcome=formula(own, train)),
        validation=replace(validation, outcome=formula(model(validation.covariates).mean(0), validation)),
    )


def regression_adjustment(values: Tensor, study: lab.data.Study) -> Tensor:
    """The outcome that was seen against the other one, as estimated."""
    return torch.where(study.treatment == 1, study.outcome - values[:, 0], values[:, 1] - study.outcome)


def doubly_robust(values: Tensor, study: lab.data.Study) -> Tensor:
    """The estimated effect, with the error of the factual outcome weighed by the inverse propensity."""
    chance = values[:, 2].sigmoid().clamp(_RAREST, 1 - _RAREST)
    t, y = study.treatment.to(values), study.outcome
    treated, untreated = t / chance, (1 - t) / (1 - chance)
    return (treated - untreated) * y + (1 - treated) * values[:, 1] - (1 - untreated) * values[:, 0]


def second_step(model: TwoStages, batch: lab.data.Study, state: lab.train.State) -> dict[str, Tensor]:
    """The mean squared distance from the pseudo-outcomes."""
    return {"loss": F.mse_loss(model.effect(batch.covariates), batch.outcome)}


def second_validate(model: TwoStages, trial: lab.data.Trial) -> float:
    """The same on validation units."""
    return F.mse_loss(model.effect(trial.validation.covariates), trial.validation.outcome).item()


def evaluate(model: nn.Module, trial: lab.data.Trial) -> dict[str, Any]:
    """Errors of the effect: of test units, and as ``within_pehe`` of those whose factual outcome was learnt from."""
    true, estimated = (trial.scale * e for e in (trial.test.effect, model.effect(trial.test.covariates)))
    errors = lab.metrics.effect_errors(estimated, true)
    within = lab.metrics.effect_errors(model.effect(trial.train.covariates), trial.train.effect)
    return {
        **errors,
        "standard_pehe": errors["pehe"] / trial.scale,
        "within_pehe": within["pehe"] * trial.scale,
        "true_effect": true.tolist(),
        "estimated_effect": estimated.tolist(),
    }


def stages(errors: Errors, formula: Formula) -> Callable[..., lab.train.Outcome]:
    """Functions by cross-fitting, then the effect from what they say."""
    plan = (
        lab.train.Stage(
            part="first",
            step=partial(first_step, errors=errors),
            data=dealt,
            validate=partial(first_validate, errors=errors),
        ),
        lab.train.Stage(
            part="second",
            step=second_step,
            data=partial(with_pseudo_outcomes, formula=formula),
            validate=second_validate,
        ),
    )
    return partial(lab.train.stages, plan=plan)


RA = stages(outcome_errors, regression_adjustment)
DR = stages(all_errors, doubly_robust)

RECIPE = lab.Recipe(
    summary="Treatment effects: one hypernet generates the outcome with and without treatment, and so shares few samples.",
    config=Config,
    build=partial(build_functions, generate=once),
    data=data,
    step=step,
    evaluate=evaluate,
    loop=partial(lab.train.fit, validate=validate),
    reference=lab.Reference(
        title="Dynamic Inter-treatment Information Sharing for Individualized Treatment Effects Estimation",
        authors="Chauhan, Zhou, Ghosheh, Molaei & Clifton",
        venue="AISTATS",
        year=2024,
        url="https://arxiv.org/abs/2305.15984",
    ),
    variants={
        "hyper T": lab.Variant(),
        "hyper T, split": lab.Variant(build=partial(build_functions, generate=split)),
        "hyper T, layers": lab.Variant(build=partial(build_functions, generate=layers)),
        "hyper T, chunks": lab.Variant(build=partial(build_functions, generate=chunks)),
        "T": lab.Variant(build=partial(build_functions, generate=plain)),
        "hyper TARNet": lab.Variant(build=partial(build_functions, shared=1)),
        "TARNet": lab.Variant(build=partial(build_functions, generate=plain, shared=1)),
        "hyper S": lab.Variant(build=build_one, changes={"embedding": 1}),
        "S": lab.Variant(build=partial(build_one, generate=plain)),
        "hyper RA": lab.Variant(build=partial(build_stages, generate=chunks), loop=RA),
        "RA": lab.Variant(build=partial(build_stages, generate=plain), loop=RA),
        "hyper DR": lab.Variant(
            build=partial(build_stages, generate=chunks, functions=3), loop=DR, changes={"embedding": 16}
        ),
        "DR": lab.Variant(build=partial(build_stages, generate=plain, functions=3), loop=DR),
    },
)
