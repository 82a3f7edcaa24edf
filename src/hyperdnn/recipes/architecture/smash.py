"""Architectures ranked before they are trained, by how well they do with generated weights (SMASH).

Brock, Lim, Ritchie & Weston, "SMASH: One-Shot Model Architecture Search through HyperNetworks", ICLR 2018
(arXiv:1708.05344).

Which of many architectures is best is known only when all are trained. Here one hypernet is trained instead, in each
step on another random architecture, which it reads as an image and generates weights for. Afterwards it makes weights
for any architecture at once. They are worse than trained ones, but where they do well, training does well, too.

Faithful.
    Operations read and write banks of channels (see `lab.spaces.Banks`), so that residual and dense connections are
    special cases. Only the 1 x 1 convolutions that open the operations are generated. All others and the classifier
    are trained as usual and shared among architectures, of which each takes a part. The hypernet is a densely connected
    network of 3 x 3 convolutions over the encoding: every cell of it, a bank that an operation writes by a bank that it
    reads, becomes the weights between the two. Its convolutions are divided by the norm of their whole kernel, which is
    not weight normalisation by channel, and so is what it generates. In the first half of training the share of banks
    that may be read grows from half to all, and kernels grow with it. All architectures are scored by the same
    validation images.

Differs.
    The search itself (random architectures first, then changes of the best one) is left out: a random sample, fixed in
    advance, is ranked and trained, one for all predictors. Operations are normalised before and behind the opening
    convolution, in all networks, by the batch at hand: running statistics would be those of other architectures. All
    banks have one size, kernels are square and start with their middle alone, blocks have a fixed number of operations.
    There are no groups, no noise beside the encoding, no decay of weights. The small setting has three operations that
    write to new banks only and are not dilated, and its curriculum ends after a quarter of training: with four that may
    also add to banks, two dilations and the curriculum as published, 2,500 steps ranked by .27 on validation images.

    "shared" is the same network whose opening convolutions are shared among architectures like all others, without a
    hypernet. "parameters" takes their number for the score.

Expected.
    Spearman's rho with trained accuracy, three seeds, as in ``results/``: .85 +- .06 by generated weights, .85 +- .05
    by shared ones, .89 +- .06 by the number of parameters. The choice errs by 21.5 %, the median candidate by 25.2 %.
    So generated weights rank well here, but not better than much simpler predictors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.lab import spaces

PUBLISHED = spaces.Banks(ops=(8, 8, 8), size=8, inputs=8, memory=24, width=8, kernels=(3, 5, 7), dilations=3)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: as far as it is known, the published setting, with all blocks as wide as the first one there."""

    seed: int = 0
    source: Literal["digits", "fashion_mnist", "cifar10"] = "cifar10"
    side: int = 32  # of the images
    stem: int = 7  # side of the first kernel
    stride: int = 1  # of the first convolution
    banks: spaces.Banks = PUBLISHED
    reads: float = 0.5  # the largest share of banks that an operation reads in the beginning
    curriculum: float = 0.5  # share of training in which reads and kernels grow
    growth: int = 10  # channels that a layer of the hypernet adds
    layers: tuple[int, ...] = (8, 10, 4)  # of the hypernet, between transitions
    candidates: int = 50  # architectures that are ranked and trained
    train: lab.train.Settings = lab.train.Settings(iterations=100_000, batch_size=50, lr=1e-3, schedule="cosine")
    candidate: lab.train.Settings = lab.train.Settings(
        iterations=27_000, batch_size=50, optimizer="sgd", lr=0.1, momentum=0.9, schedule="cosine"
    )  # how each of them is trained from scratch

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "reads", "curriculum")
        lab.config.check_least(self, 1, "side", "stem", "stride", "growth", "layers")
        lab.config.check_least(self, 3, "candidates")  # two are always ranked rightly or wrongly


@final
class Convolution(nn.Module):
    """A convolution without bias, whose kernel is divided by its norm: one number, not one for each channel."""

    def __init__(self, inputs: int, outputs: int, side: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(outputs, inputs, side, side)))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight / self.weight.norm(), padding=self.weight.shape[-1] // 2)


@final
class Dense(nn.Module):
    """What a layer takes, and what it makes of it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], dim=1)


@final
class KernelGenerator(nn.Module):
    """Encodings ``(*contexts, features, width, columns)`` -> the kernels that open operations."""

    def __init__(self, config: Config, layout: hd.ParamLayout) -> None:
        super().__init__()
        self.layout = layout
        self.size = config.banks.size
        self.memory = config.banks.memory
        channels = len(config.banks.features)
        layers: list[nn.Module] = [Dense(Convolution(channels, config.growth))]
        channels += config.growth
        for index, count in enumerate(config.layers, start=1):
            for _ in range(count):
                layers.append(Dense(nn.LeakyReLU(0.02), Convolution(channels, config.growth)))
                channels += config.growth
            last = index == len(config.layers)
            outputs, side = (self.size**2, 1) if last else (channels // 2, 3)
            layers += [nn.LeakyReLU(0.02), Convolution(channels, outputs, side)]
            channels = outputs
        self.layers = nn.Sequential(*layers)

    def forward(self, context: Tensor) -> hd.Weights:
        contexts = context.shape[:-3]
        cells = self.layers(context.reshape(contexts.numel(), *context.shape[-3:]))
        blocks = cells.unflatten(1, (self.size, self.size)).unflatten(-1, (-1, self.memory))
        kernels = blocks.permute(4, 0, 3, 1, 5, 2)  # operation, context, bank and channel out, bank and channel in
        return {
            spec.name: kernel.reshape(*contexts, *spec.shape) for spec, kernel in zip(self.layout, kernels, strict=True)
        }


@final
class Search(nn.Module):
    """The candidates, and the networks for all architectures that rank them: with generated and with shared kernels."""

    codes: Tensor

    def __init__(self, config: Config, task: lab.data.Task) -> None:
        super().__init__()

        def make(plan: spaces.Plan | None = None) -> spaces.BankNetwork:
            return spaces.BankNetwork(
                config.banks, plan, channels=task.shape[0], classes=task.classes, stem=config.stem, stride=config.stride
            )

        generator = torch.Generator().manual_seed(config.seed)
        self.plans = [config.banks.draw(generator) for _ in range(config.candidates)]
        self.register_buffer("codes", torch.stack([config.banks.encode(plan) for plan in self.plans]), persistent=False)
        self.candidates = nn.ModuleList(make(plan) for plan in self.plans)
        self.shared = make()
        target = hd.Target(make(), select="*.opening.*")
        self.generated = hd.HyperDNN(target, KernelGenerator(config, target.layout))

    def with_generated(self, codes: Tensor) -> list[Callable[[Tensor], Tensor]]:
        """The candidates before they are trained, with what is generated for these encodings."""
        weights = self.generated.generate(codes)
        rows = [{name: kernels[row] for name, kernels in weights.items()} for row in range(len(codes))]
        return [partial(self.generated.call, row, plan=plan) for row, plan in zip(rows, self.plans, strict=True)]


def build(config: Config) -> Search:
    """A hypernet for all architectures, its baseline, and the candidates."""
    return Search(config, data(config))


def data(config: Config) -> lab.data.Task:
    """Small images and their classes."""
    return lab.data.scaled(lab.data.load(config.source), config.side)


def allowed_plan(state: lab.train.State) -> spaces.Plan:
    """A random architecture, from the easier ones in the beginning of a stage."""
    config, banks = state.config, state.config.banks
    done = state.step / config.train.iterations - state.task  # both stages are equally long
    share = min(1.0, done / config.curriculum) if config.curriculum else 1.0
    reads, kernels = config.reads + (1 - config.reads) * share, 1 + int((len(banks.kernels) - 1) * share)
    plan: spaces.Plan = banks.draw(state.generator, reads=reads, kernels=kernels)
    return plan


def step(model: Search, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The cross-entropy of a random architecture with generated kernels."""
    plan = allowed_plan(state)
    code = state.config.banks.encode(plan).to(batch.inputs)
    return {"loss": F.cross_entropy(model.generated(batch.inputs, plan, context=code), batch.targets)}


def shared_step(model: Search, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The cross-entropy of a random architecture with its part of the shared kernels."""
    return {"loss": F.cross_entropy(model.shared(batch.inputs, allowed_plan(state)), batch.targets)}


def candidate_step(model: Search, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The sum of the candidates' losses: each takes the step that it would take alone."""
    losses = [F.cross_entropy(candidate(batch.inputs), batch.targets) for candidate in model.candidates]
    return {"loss": torch.stack(losses).sum()}


def accuracy(network: Callable[[Tensor], Tensor], part: lab.data.Split) -> float:
    """The share of correct answers."""
    return sum(int((network(b.inputs).argmax(-1) == b.targets).sum()) for b in part.batches(1000)) / len(part)


def evaluate(model: Search, task: lab.data.Task) -> dict[str, Any]:
    """How well each predictor ranks the candidates, and what is chosen by it.

    ``excess_error`` is by how much the test error of the candidate with the highest score lies above their median,
    ``random_error`` that of a random one, ``confused`` the mean score with weights for the next one's encoding.
    """
    trained = torch.tensor([accuracy(network, task.validation) for network in model.candidates])
    errors = torch.tensor([1 - accuracy(network, task.test) for network in model.candidates])
    shared: list[Callable[[Tensor], Tensor]] = [partial(model.shared, plan=plan) for plan in model.plans]
    ready = {"generated": model.with_generated(model.codes), "shared": shared}
    scores = {name: [accuracy(network, task.validation) for network in ready[name]] for name in ready}
    scores["parameters"] = [float(sum(p.numel() for p in network.parameters())) for network in model.candidates]
    confused = [accuracy(network, task.validation) for network in model.with_generated(model.codes.roll(1, 0))]
    found: dict[str, Any] = {"trained": trained.tolist(), "median_error": errors.quantile(0.5).item()}
    for name, values in scores.items():
        prefix, ranks = "" if name == "generated" else f"{name}_", torch.tensor(values).float()
        agreement = lab.metrics.rank_agreement(ranks, trained)
        found |= {f"{prefix}{metric}": value for metric, value in agreement.items()}
        found[f"{prefix}excess_error"] = errors[ranks.argmax()].item() - found["median_error"]
        found[f"{prefix}scores"] = values
    means = {"random_error": errors.tolist(), "score": scores["generated"], "confused": confused}
    return found | {name: sum(values) / len(values) for name, values in means.items()}


def figures(results: lab.report.Results) -> list[lab.report.Figure]:
    """The candidates' trained accuracies by what each predictor says of them."""
    arrays, metrics = results["arrays"]["hypernet"], results["metrics"]["hypernet"]

    def page(score: str, **prefixes: str) -> list[lab.report.Figure]:
        found = {n: {"scores": arrays[f"{p}scores"], "trained": arrays["trained"]} for n, p in prefixes.items()}
        ranks = {n: {m: metrics[f"{p}{m}"] for m in ("spearman", "kendall")} for n, p in prefixes.items()}
        return lab.report.rank_figures({**results, "arrays": found, "metrics": ranks}, score=score)

    before = page("accuracy before training", generated="", shared="shared_")
    return before + page("number of parameters", parameters="parameters_")


RECIPE = lab.Recipe(
    summary="Ranks architectures before they are trained, by how well they do with weights that a hypernet generates.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=partial(
        lab.train.stages,
        plan=(
            lab.train.Stage(part="generated"),
            lab.train.Stage(part="shared", step=shared_step),
            lab.train.Stage(part="candidates", step=candidate_step, settings=attrgetter("candidate")),
        ),
    ),
    reference=lab.Reference(
        title="SMASH: One-Shot Model Architecture Search through HyperNetworks",
        authors="Brock, Lim, Ritchie & Weston",
        venue="ICLR",
        year=2018,
        url="https://arxiv.org/abs/1708.05344",
    ),
    claims=(
        lab.Claim(
            text="Scores with generated weights rank architectures as training does: Spearman's rho is at least .5.",
            config="default",
            metric="hypernet/spearman",
            at_least=0.5,
        ),
        lab.Claim(
            text="That is not luck: the 5 % quantile of its bootstrap over candidates is above 0.",
            config="default",
            metric="hypernet/spearman_low",
            at_least=0.0,
        ),
        lab.Claim(
            text="The candidate with the highest score, once trained, errs no more than their median on test images.",
            config="default",
            metric="hypernet/excess_error",
            at_most=0.0,
        ),
        lab.Claim(
            text="The encoding matters: weights for another architecture's encoding score at least a point less.",
            config="default",
            metric="hypernet/score",
            minus="hypernet/confused",
            at_least=0.01,
        ),
    ),
    variants={"hypernet": lab.Variant()},
    figures=figures,
    space={"train.lr": "3e-4..1e-2:log", "growth": "4..16", "curriculum": "0..0.5"},
    conditioned_on="task",
)
