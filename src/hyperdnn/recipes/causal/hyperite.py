"""Effects of a treatment on single units, with one hypernet for the outcome without and with it (HyperITE).

Chauhan, Zhou, Ghosheh, Molaei & Clifton, "Dynamic inter-treatment information sharing for individualized treatment
effects estimation", AISTATS 2024 (arXiv:2305.15984).

Each unit shows one of two outcomes, the one under the treatment that it got. Learners of the effect fit a network to
each of the two, on the few units that show it. Here one hypernet generates both networks from an embedding of the
treatment, so that each learns from the other's units while they are trained, and everything else stays as it was.

Faithful.
    The learners and their losses: T (two functions), S (one function of covariates and treatment), TARNet (two
    functions of shared features), RA and DR (outcomes, for DR also the propensity, by five-fold cross-fitting, then a
    plain network of the effect on pseudo-outcomes). The four strategies: all weights at once, one output map for each
    tensor, layer by layer, chunk by chunk with an embedding for each chunk of each function. Widths, embeddings,
    dropout, spectral norm, rates, batches and stopping of the published setting are those of the authors' code.
    Training stops by the loss of factual outcomes on 30 % of the units; errors of effects choose nothing.

Differs.
    Every weight and bias is generated, where the authors' code has one bias for each layer, and layers have output maps
    of their own sizes, where the code cuts them from a padded vector at offsets that do not fit. Its two output maps,
    each behind a narrow layer of its own, are one for each tensor here: the same function as one map for all, so its
    numbers are equal. Output maps have no spectral norm, layers and chunks have embeddings of 8 numbers instead of 16,
    and RA and DR generate in chunks instead of all at once. Functions without a hypernet are stopped together instead
    of one by one, and folds by the validation units instead of those that each leaves out. DR keeps propensities 0.05
    away from 0 and 1. TARNet shares the first of the learner's layers, so all learners are equally deep. Hypernets
    start as this library's do. The settings ``default`` and ``few`` have no spectral norm, a rate of 3e-4 and a decay
    of 1e-2, by the validation loss of both T-learners on six replications. There the hypernet is as good as two
    networks with all units (0.220 against 0.217), and not with 150 (0.250 against 0.237). For the latter these were
    tried in vain: rates from 1e-3 to 1e-4, decays from 1e-4 to 1e-1, decoupled ones, dropout of 0, 0.05 and 0.2,
    spectral norm, embeddings that start close to each other (``spread``), a hypernet of one narrow layer, the other
    strategies.

Expected.
    Root PEHE of test units in standard deviations of the outcome, mean of ten replications, as in ``results/``; their
    spread is about .1. With all units the hypernet is as good as two networks. That it is better with few does not
    reproduce here. The publication's tables were not at hand.

    =========  ==========  ==========  ==========  ==========
    learner    all, hyper  all, plain  150, hyper  150, plain
    =========  ==========  ==========  ==========  ==========
    T          .311        .317        .456        .452
    T, layers  .358                    .524
    T, chunks  .358                    .467
    S          .461        .456        .903        1.01
    TARNet     .317        .304        .492        .433
    RA         .299        .317        .451        .445
    DR         .432        .413        .556        .540
    =========  ==========  ==========  ==========  ==========
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, lab
from hyperdnn.lab import baselines, effects


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting, with its hyperparameters as in the authors' code."""

    seed: int = 0  # of initial weights and division; its last digit is the replication
    source: Literal["ihdp", "simulated"] = "ihdp"
    units: int | None = None  # to learn from, validation included; null for all
    network: tuple[int, ...] = (100, 100)  # hidden widths of each function, and of the effect
    hypernet: tuple[int, ...] = (100, 100)  # hidden widths of what generates them
    embedding: int = 8  # width of an embedding
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
        """Seeds 0 to 9 are the ten replications, so that variants are compared pair by pair."""
        return self.seed % 10


Generate: TypeAlias = Callable[[Config, hd.Target, int], nn.Module]  # a strategy, for so many functions


def data(config: Config) -> lab.data.Trial:
    """One replication, divided and standardised."""
    if config.source == "ihdp":
        study = lab.data.ihdp(config.replication)
    else:
        study = lab.data.simulated_study(400, seed=config.replication)
    return lab.data.trial(study, units=config.units, seed=config.seed)


def covariates(config: Config) -> int:
    """How many there are."""
    return data(config).train.covariates.shape[1]


def once(config: Config, target: hd.Target, functions: int, *, head: type[nn.Module] = heads.FullHead) -> nn.Module:
    """All weights of a function by one output map, or each tensor by a map of its own."""
    maps = head(config.hypernet[-1], target.layout)
    return hd.Hypernet(encoder=build_table(config, functions), body=build_body(config, 1), head=maps)


def layers(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """Layer by layer, with an embedding of each layer beside that of the function."""
    head = heads.ComponentHead(config.hypernet[-1], target.layout)
    slots = encoders.Slots(head.slots, config.embedding)
    return hd.Hypernet(encoder=build_table(config, functions), slots=slots, body=build_body(config, 2), head=head)


def chunks(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """Chunk by chunk of the flat vector, with an embedding of each chunk of each function."""
    head = heads.ChunkedHead(config.hypernet[-1], target.layout, math.ceil(target.layout.numel / config.chunks))
    table = build_table(config, functions, embeddings=head.slots)
    slots = nn.Unflatten(-1, (head.slots, config.embedding))
    return hd.Hypernet(encoder=table, slots=slots, body=build_body(config, 1), head=head)


def plain(config: Config, target: hd.Target, functions: int) -> nn.Module:
    """No hypernet: each function has weights of its own."""
    return baselines.Separate(functions, target.layout)


def build_table(config: Config, functions: int, *, embeddings: int = 1) -> encoders.Table:
    """One or more embeddings for each function."""
    return encoders.Table(functions, embeddings * config.embedding, std=config.spread)


def build_body(config: Config, embeddings: int) -> bodies.MLP:
    """What lies between the embeddings and the output maps."""
    features = embeddings * config.embedding
    return bodies.MLP(features, *config.hypernet, dropout=config.dropout, reparametrize=config.reparametrize)


@final
class Functions(nn.Module):
    """Functions of the covariates: the outcome without and with treatment and, if there is a third, the propensity.

    ``(units, features)`` -> ``(units, functions)``. A function may have several outputs, which count as several.
    """

    def __init__(self, target: hd.Target, hypernet: nn.Module, contexts: int) -> None:
        super().__init__()
        self.networks = hd.HyperDNN(target, hypernet)
        self.register_buffer("contexts", torch.arange(contexts), persistent=False)

    def forward(self, covariates: Tensor) -> Tensor:
        return torch.cat(list(self.networks(covariates, context=self.contexts, data_dims=None)), dim=-1)

    def effect(self, covariates: Tensor) -> Tensor:
        """What treatment changes for each unit, ``(units,)``."""
        values: Tensor = self(covariates)
        return values[:, 1] - values[:, 0]


@final
class BothTreatments(nn.Module):
    """A network of covariates and treatment, run without and with: ``(units, features)`` -> ``(units, 2)``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, covariates: Tensor) -> Tensor:
        return torch.cat([self.net(F.pad(covariates, (0, 1), value=treatment)) for treatment in (0.0, 1.0)], dim=-1)


def build_net(config: Config, inputs: int) -> nn.Sequential:
    """A ReLU network with one output."""
    hidden = [layer for i, o in pairwise((inputs, *config.network)) for layer in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(config.network[-1], 1))


def t_learner(config: Config, *, generate: Generate = once, functions: int = 2) -> Functions:
    """A network for each function."""
    target = hd.Target(build_net(config, covariates(config)))
    return Functions(target, generate(config, target, functions), functions)


def tarnet(config: Config, *, generate: Generate = once) -> Functions:
    """The same, but the first layer is one for all functions and trained as usual."""
    net = build_net(config, covariates(config))
    target = hd.Target(net, [f"{layer}.*" for layer in range(2, len(net), 2)])
    return Functions(target, generate(config, target, 2), 2)


def s_learner(config: Config, *, generate: Generate = once) -> Functions:
    """One network, which is told the treatment."""
    target = hd.Target(BothTreatments(build_net(config, covariates(config) + 1)))
    return Functions(target, generate(config, target, 1), 1)


def two_stages(config: Config, *, generate: Generate = chunks, functions: int = 2) -> effects.TwoStages:
    """A T-learner for each fold, and a plain network of the effect."""
    first = [t_learner(config, generate=generate, functions=functions) for _ in range(config.folds)]
    return effects.TwoStages(first, build_net(config, covariates(config)))


def step(model: nn.Module, batch: lab.data.Study, state: lab.train.State) -> dict[str, Tensor]:
    """The mean squared error of factual outcomes."""
    return {"loss": effects.outcome_errors(model(batch.covariates), batch).mean()}


def validate(model: nn.Module, trial: lab.data.Trial) -> float:
    """The same on units that are not trained on."""
    return effects.outcome_errors(model(trial.validation.covariates), trial.validation).mean().item()


def evaluate(model: Functions | effects.TwoStages, trial: lab.data.Trial) -> dict[str, Any]:
    """Errors of the effect on test units, and as ``within_pehe`` on those whose factual outcomes were learnt from."""
    estimated, within = (model.effect(part.covariates) for part in (trial.test, trial.train))
    standard = lab.metrics.effect_errors(estimated, trial.test.effect)
    return {
        "standard_pehe": standard["pehe"],
        **{name: error * trial.scale for name, error in standard.items()},
        "within_pehe": lab.metrics.effect_errors(within, trial.train.effect)["pehe"] * trial.scale,
        "true_effect": (trial.test.effect * trial.scale).tolist(),
        "estimated_effect": (estimated * trial.scale).tolist(),
    }


RA = effects.two_stages(effects.outcome_errors, effects.regression_adjustment)
DR = effects.two_stages(effects.outcome_and_treatment_errors, effects.doubly_robust)

RECIPE = lab.Recipe(
    summary="Effects of a treatment: one hypernet generates the outcomes without and with it, which share their units.",
    config=Config,
    build=t_learner,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=partial(lab.train.fit, validate=validate),
    seeds=10,
    reference=lab.Reference(
        title="Dynamic Inter-treatment Information Sharing for Individualized Treatment Effects Estimation",
        authors="Chauhan, Zhou, Ghosheh, Molaei & Clifton",
        venue="AISTATS",
        year=2024,
        url="https://arxiv.org/abs/2305.15984",
    ),
    claims=(
        lab.Claim(
            text="With all units the hypernet's T-learner errs at most 5 % more than two networks.",
            config="default",
            metric="hyper T/standard_pehe",
            over="T/standard_pehe",
            at_most=1.05,
        ),
        lab.Claim(
            text="So does its TARNet.",
            config="default",
            metric="hyper TARNet/standard_pehe",
            over="TARNet/standard_pehe",
            at_most=1.05,
        ),
        lab.Claim(
            text="With 150 units the hypernet's T-learner errs at least 5 % less than two networks.",
            config="few",
            metric="hyper T/standard_pehe",
            over="T/standard_pehe",
            at_most=0.95,
        ),
        lab.Claim(
            text="So does its TARNet.",
            config="few",
            metric="hyper TARNet/standard_pehe",
            over="TARNet/standard_pehe",
            at_most=0.95,
        ),
    ),
    variants={
        "hyper T": lab.Variant(),
        "hyper T split": lab.Variant(build=partial(t_learner, generate=partial(once, head=heads.MultiHead))),
        "hyper T layers": lab.Variant(build=partial(t_learner, generate=layers)),
        "hyper T chunks": lab.Variant(build=partial(t_learner, generate=chunks)),
        "T": lab.Variant(build=partial(t_learner, generate=plain)),
        "hyper S": lab.Variant(build=s_learner, changes={"embedding": 1}),
        "S": lab.Variant(build=partial(s_learner, generate=plain)),
        "hyper TARNet": lab.Variant(build=tarnet),
        "TARNet": lab.Variant(build=partial(tarnet, generate=plain)),
        "hyper RA": lab.Variant(build=two_stages, loop=RA),
        "RA": lab.Variant(build=partial(two_stages, generate=plain), loop=RA),
        "hyper DR": lab.Variant(build=partial(two_stages, functions=3), loop=DR, changes={"embedding": 16}),
        "DR": lab.Variant(build=partial(two_stages, generate=plain, functions=3), loop=DR),
    },
    figures=partial(lab.report.effect_figures, shown=("T", "hyper T", "TARNet", "hyper TARNet")),
)
