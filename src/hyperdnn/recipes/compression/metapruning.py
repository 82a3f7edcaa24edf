"""Channel pruning by search, with a hypernet that generates weights for any widths of the layers (MetaPruning).

Liu et al., "MetaPruning: meta learning for automatic neural network channel pruning", ICCV 2019 (arXiv:1903.10258).

A network is to cost less, so its layers get fewer channels; how many is usually a rule of thumb, such as the same share
everywhere. Here a hypernet learns to generate the weights of every such network, so that a candidate costs one look at
validation images instead of a training. Evolution finds the best that is cheap enough, and only that is trained.

Faithful.
    Each kernel is generated at full size by a network of its own with one hidden layer, from the shares of channels
    before and behind it, and cut to the first of them. Every width of a layer has batch normalisation of its own; the
    classifier is ordinary. Each batch meets one network of random widths, and labels are smoothed. Candidates above the
    limit are not looked at, and each one's statistics of normalisation are measured anew. The winner is trained from
    scratch, and measured on images that chose nothing.

Differs.
    ImageNet and MobileNet are out of reach: a small network of plain convolutions is pruned. ``published`` has the
    authors' numbers for the search. All layers may lose channels. Search and measurement see different images.
    Statistics of norms are means over batches; hidden features have unit length.

    Only networks that may be chosen are drawn in training: each gets more of it. None costs less than ``least`` of the
    limit, so that cost alone ranks no network. ``slimmable`` shares kernels; ``uniform`` keeps equal shares.

Expected.
    Test accuracy from scratch, three seeds: 86.0 +- 0.1 % found (86.1 by ``slimmable``), 85.5 +- 0.2 % random, 85.8 %
    uniform: +0.2 points, where 0.3 are asked. Rho is .55 +- .20, and .57 +- .16 for ``slimmable``. On validation, the
    best networks of all are +0.5. Before: +0.298 by a lesser search and less even costs, -0.3 on CIFAR-10 at 30 %.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from statistics import fmean
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, lab, layout
from hyperdnn.lab import baselines
from hyperdnn.models import Join
from hyperdnn.typing import Weights

Space: TypeAlias = lab.tuning.WidthSpace
Kernels: TypeAlias = Callable[[Any, layout.ParamLayout], nn.Module]
"""Makes what gives a kernel from two shares."""

_PUBLISHED = lab.train.Settings(
    iterations=22_500, batch_size=128, optimizer="sgd", momentum=0.9, lr=0.06, schedule="cosine", weight_decay=4e-5
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting, but for the network that is pruned and its images."""

    seed: int = 0
    source: Literal["digits", "fashion_mnist", "cifar10"] = "cifar10"
    side: int = 32  # pixels of an image, each way
    channels: tuple[int, ...] = (64, 128, 256, 512)  # of the widest network's convolutions
    pooled: tuple[int, ...] = (1, 2)  # convolutions behind which images become half as large
    shares: tuple[float, ...] = tuple((10 + 3 * i) / 100 for i in range(31))  # of channels that a layer may keep
    hidden: int = 32  # width of the network that generates a kernel
    limit: float = 0.58  # share of the widest network's multiplications that a network may cost
    least: float = 0.9  # share of the limit that it costs at least
    smoothing: float = 0.1  # share of a label that is spread over all classes
    population: int = 50  # candidates in a generation
    generations: int = 20
    calibration: int = 100  # batches for the statistics of normalisation
    calibrated: int = 1000  # images in each of them
    judged: int | None = None  # validation images that a candidate is judged by; null for all
    copies: int = 1  # trained from scratch of the winner, and of the uniform network
    others: int = 10  # random networks that are trained from scratch too
    train: lab.train.Settings = _PUBLISHED  # of the supernet
    scratch: lab.train.Settings = _PUBLISHED  # of the networks that are trained from scratch

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "pooled", "limit", "least", "smoothing")
        sizes = ("side", "channels", "hidden", "population", "generations", "calibration", "calibrated", "judged")
        lab.config.check_least(self, 1, *sizes, "copies")
        lab.config.check_least(self, 3, "others")


def build_space(config: Config) -> Space:
    """The networks to choose from."""
    task, pooled = data(config), config.pooled
    net = baselines.convolutions(task.shape, config.channels, task.classes, pooled=pooled)
    layers = [f"conv{k}" for k in range(len(config.channels))]

    def cost(channels: Sequence[int]) -> int:
        return baselines.multiplications(task.shape, channels, task.classes, pooled=pooled)

    wide = hd.Architecture.of(net)
    return Space(wide, layers, config.shares, cost=cost, limit=config.limit, least=config.least)


def generated(config: Config, kernel: layout.ParamLayout) -> nn.Module:
    """A kernel from the shares of channels before and behind it."""
    body, head = bodies.MLP(2, config.hidden), heads.FullHead(config.hidden, kernel)
    return hd.Hypernet(encoder=encoders.Vector(2), body=body, head=head)


@final
class Shared(nn.Module):
    """The same kernel whatever the shares are."""

    def __init__(self, config: Config, kernel: layout.ParamLayout) -> None:
        super().__init__()
        self.layout = kernel
        self.kernel = baselines.Separate(1, kernel)

    def forward(self, shares: Tensor) -> Weights:
        weights: Weights = self.kernel(torch.zeros_like(shares[..., 0], dtype=torch.long))
        return weights


@final
class PruningNet(nn.Module):
    """Generates weights for any widths; channels beyond them have gain and offset zero, so that they are not there.

    choices ``(*contexts, convolutions)`` -> each weight ``(*contexts, *spec.shape)``, of the widest network.
    """

    table: Tensor
    shares: Tensor

    def __init__(self, config: Config, space: Space, kernels: Kernels) -> None:
        super().__init__()
        self.layout = space.architecture.layout
        self.register_buffer("table", torch.tensor(space.table), persistent=False)
        self.register_buffer("shares", torch.tensor(space.shares), persistent=False)
        places = range(len(space.layers))
        parts = [kernels(config, self.layout.select(f"conv{k}.weight")) for k in places]
        parts += [baselines.Separate(len(space.shares), self.layout.select(f"norm{k}.*")) for k in places]
        self.parts = Join(self.layout, [*parts, baselines.Separate(1, self.layout.select("classifier.*"))])

    def forward(self, choice: Tensor) -> Weights:
        behind = self.shares[choice]
        before = F.pad(behind[..., :-1], (1, 0), value=1.0)  # of the image nothing is cut
        pairs, own = torch.stack([before, behind], dim=-1), choice.unbind(-1)
        weights: Weights = self.parts((*pairs.unbind(-2), *own, torch.zeros_like(own[0])))
        for k, index in enumerate(own):
            for name in (f"norm{k}.weight", f"norm{k}.bias"):
                places = torch.arange(weights[name].shape[-1], device=choice.device)
                weights[name] = weights[name] * (places < self.table[k, index].unsqueeze(-1))
        return weights


@final
class Pruning(nn.Module):
    """A supernet, if there is a search, which is every network at once, and those trained from scratch, best first."""

    others: Tensor

    def __init__(
        self, config: Config, space: Space, networks: baselines.Narrowed, supernet: hd.HyperDNN | None = None
    ) -> None:
        super().__init__()
        self.config, self.space, self.networks, self.supernet = config, space, networks, supernet
        self.register_buffer("others", torch.zeros(config.others, len(space.layers), dtype=torch.long))

    def score(self, task: lab.data.Task, choice: Sequence[int]) -> float:
        """The accuracy of a candidate with the supernet's weights on validation images."""
        assert self.supernet is not None
        weights = self.supernet.generate(torch.tensor(choice, device=self.others.device))
        network = self.space.cut(choice).bake(self.space.architecture.module, weights)
        every = 1 if self.config.judged is None else max(len(task.validation) // self.config.judged, 1)
        return self.accuracy(network, task, task.validation[::every])

    def accuracy(self, network: nn.Module, task: lab.data.Task, batch: lab.data.Batch) -> float:
        """The share of images that are classified correctly, with statistics of training images."""
        size, generator = self.config.calibrated, torch.Generator().manual_seed(self.config.seed)
        seen = (task.train.sample(size, generator=generator).inputs for _ in range(self.config.calibration))
        return lab.metrics.recalibrated_accuracy(network, seen, batch.inputs, batch.targets)


def build(config: Config, *, kernels: Kernels = generated) -> Pruning:
    """A target without running statistics, weights of it for all widths, and room for the networks to be trained."""
    space = build_space(config)
    supernet = hd.HyperDNN(hd.Target.of(space.architecture, buffers="batch"), PruningNet(config, space, kernels))
    networks = baselines.Narrowed(space.architecture, space.layers, config.copies + config.others)
    return Pruning(config, space, networks, supernet)


def build_uniform(config: Config) -> Pruning:
    """Networks with the same share of channels everywhere; nothing is searched."""
    space = build_space(config)
    networks = baselines.Narrowed(space.architecture, space.layers, config.copies)
    networks.choose_([space.uniform()] * config.copies)
    return Pruning(config, space, networks)


def data(config: Config) -> lab.data.Task:
    """Images, made smaller."""
    return lab.data.scaled(lab.data.load(config.source), config.side)


def step(model: Pruning, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The loss of a network of random widths that may be chosen later."""
    assert model.supernet is not None
    drawn = torch.tensor(model.space.draw(generator=state.generator), device=batch.inputs.device)
    logits = model.supernet(batch.inputs, context=drawn)
    return {"loss": F.cross_entropy(logits, batch.targets, label_smoothing=state.config.smoothing)}


def search(model: Pruning, task: lab.data.Task) -> None:
    """Choose the networks that are trained from scratch: the best by its score, and random ones beside it."""
    config, space = model.config, model.space
    ranked = lab.tuning.evolve(
        partial(model.score, task),
        [len(space.shares)] * len(space.layers),
        feasible=space.affords,
        population=config.population,
        generations=config.generations,
        seed=config.seed,
    )
    others = space.random(config.others, seed=config.seed)
    model.others.copy_(torch.tensor(others))
    model.networks.choose_([space.widths(choice) for choice in [next(iter(ranked))] * config.copies + others])


def scratch_step(model: Pruning, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The sum of the losses of all networks, each of which learns as it would alone."""
    logits = model.networks(batch.inputs)
    targets = batch.targets.expand(len(logits), -1).flatten()
    mean = F.cross_entropy(logits.flatten(0, 1), targets, label_smoothing=state.config.smoothing)
    return {"loss": mean * len(logits)}


def evaluate(model: Pruning, task: lab.data.Task) -> dict[str, Any]:
    """How accurate networks are that were trained from scratch, and how well their scores foretold it."""
    space, networks, copies, widths = model.space, model.networks, model.config.copies, model.networks.widths.tolist()
    trained = [model.accuracy(networks.network(k), task, task.test[:]) for k in range(len(widths))]
    points = [[space.share(one), accuracy] for one, accuracy in zip(widths, trained, strict=True)]
    found = {"accuracy": fmean(trained[:copies]), "cost": points[0][0], "by_cost": points[:copies], "widths": widths[0]}
    if model.supernet is None:
        return found
    scores, others = [model.score(task, choice) for choice in model.others.tolist()], trained[copies:]
    agreement = lab.metrics.rank_agreement(torch.tensor(scores), torch.tensor(others))
    arrays = {"scores": scores, "trained": others, "others_by_cost": points[copies:]}
    return {**found, **agreement, **arrays, "random_accuracy": fmean(others)}


def figures(results: lab.report.Results) -> list[lab.report.Figure]:
    """Accuracy by cost, and by the scores before."""
    return [*lab.report.cost_figures(results, cost="share of all multiplications"), *lab.report.rank_figures(results)]


SCRATCH = lab.train.Stage(part="networks", step=scratch_step, settings=attrgetter("scratch"))

RECIPE = lab.Recipe(
    summary="Prunes channels by search: a hypernet generates weights for all widths, and the best are trained anew.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=partial(lab.train.stages, plan=(lab.train.Stage(part="supernet"), replace(SCRATCH, prepare=search))),
    reference=lab.Reference(
        title="MetaPruning: Meta Learning for Automatic Neural Network Channel Pruning",
        authors="Liu, Mu, Zhang, Guo, Yang, Cheng & Sun",
        venue="ICCV",
        year=2019,
        url="https://arxiv.org/abs/1903.10258",
    ),
    claims=(
        lab.Claim(
            text="Trained from scratch, what was found is at least 0.3 points better than the uniform network.",
            config="default",
            metric="hypernet/accuracy",
            minus="uniform/accuracy",
            at_least=0.003,
            published=2.4,
            source="README of liuzechun/MetaPruning: points on ImageNet, half of MobileNetV1's width, 63.7 and 66.1 %",
        ),
        lab.Claim(
            text="It is at least as accurate as random ones are on average.",
            config="default",
            metric="hypernet/accuracy",
            minus="hypernet/random_accuracy",
            at_least=0.0,
        ),
        lab.Claim(
            text="Accuracy with generated weights ranks networks as training from scratch does.",
            config="default",
            metric="hypernet/spearman",
            at_least=0.4,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "slimmable": lab.Variant(build=partial(build, kernels=Shared)),
        "uniform": lab.Variant(build=build_uniform, loop=partial(lab.train.stages, plan=(SCRATCH,))),
    },
    figures=figures,
    conditioned_on="task",
)
