"""A static hypernet: convolution kernels are generated from a short embedding of each layer.

Ha, Dai & Le, "HyperNetworks", ICLR 2017 (arXiv:1609.09106), section 3.1.

Layers of a deep network have much in common. Instead of kernels of their own they get an embedding each, and one small
generator, trained with them, makes all kernels: a relaxed form of sharing weights. The target is trained as usual, with
a fraction of the numbers; once trained, the kernels are fixed and the generator is not needed any more.

Faithful.
    The generator has two linear layers and no activation. For input channel i the first makes ``a_i = W_i z + B_i`` by
    a matrix of its own, the second ``K_i = W_out a_i + B_out``, the same for all channels: 4,244 numbers instead of
    12,544 for a 7 x 7 convolution from 16 channels to 16. Wider layers are laid out with tiles, each from an embedding
    of its own; channels that are no multiple of the tile are refused. The first convolution, shortcuts, norms, biases
    and the classifier are trained as usual. In wide residual networks this gives the published counts: 0.097 million
    numbers for WRN-40-1, and for WRN-40-2, of which only convolutions after the first were counted, 0.148 million.

Differs.
    The authors' notebook (hardmaru/supercell) reshapes what is generated such that each output channel has a matrix of
    its own, instead of each input channel; here it is as in the publication, and with 16 channels either way the counts
    are equal. The notebook stretches images at random, and reports the test error where the validation error is lowest;
    here they are shifted by a pixel, and the end is reported. The default setting is shorter, without shifts, and
    starts with larger kernels (``spread``). The wide residual network (``wide_resnet``) is that of Zagoruyko &
    Komodakis, with a learning rate that falls steadily; it was built and counted here, not trained to the end.

Expected.
    Error on the test images of MNIST in per cent: mean and spread of three seeds; published are the numbers of the
    authors' notebook, after 50 epochs.

    =======  ============  ============  ===============  ================  ==========================
    setting  hypernet      plain         smaller filters  fixed embeddings  published: hypernet, plain
    =======  ============  ============  ===============  ================  ==========================
    default  1.19 +- 0.09  1.01 +- 0.17  1.23 +- 0.11     1.22 +- 0.09      0.79, 0.77
    =======  ============  ============  ===============  ================  ==========================

    After 1,000 steps the hypernet's error was 1.53 +- 0.1 %, and missed the bound of 1.5 %. Now all variants train for
    half as long again, with a rate that falls more slowly to the same end.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import baselines, losses

GENERATED = "block*.conv*.weight"
"""The convolutions whose kernels are generated, in either network."""
SHOWN = 8
"""Channels in the figure of kernels, each way."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting of MNIST."""

    seed: int = 0
    source: Literal["digits", "mnist", "cifar10"] = "mnist"
    network: Literal["two_convolutions", "wide_resnet"] = "two_convolutions"
    depth: int = 40  # layers of a wide residual network: 4 more than a multiple of 6
    widen: int = 2  # its channels, in 16, 32 and 64
    tile: int = 16  # channels of a tile, in and out; two_convolutions have as many
    kernel: int = 7  # side of the generated filters of two_convolutions
    features: int = 4  # width of an embedding
    hidden: int = 4  # width of what the generator's first layer makes for each input channel
    spread: float = 0.01  # deviation of the generator's weights at the start
    shift: int = 1  # pixels by which a training image is moved at most
    flip: bool = False  # mirror training images at random
    decay: float = 0.999  # of the learning rate, at each step
    least: float = 1e-4  # rate at which that ends
    l2: float = 0.0  # weight decay of the kernels, generated or not
    train: lab.train.Settings = lab.train.Settings(iterations=2750, batch_size=1000, lr=5e-3, clip_norm=100.0)

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "spread", "shift", "decay", "least", "l2")
        lab.config.check_least(self, 1, "widen", "tile", "kernel", "features", "hidden")
        if self.depth < 10 or self.depth % 6 != 4:
            raise ConfigError(f"depth: expected 4 more than a multiple of 6, such as 10, 16 or 40, got {self.depth}.")


@final
class KernelGenerator(nn.Module):
    """Makes every kernel of a network from tiles, and every tile from an embedding of its own.

    Context is the number of the network, of which there is one: kernels do not depend on it.

    Args:
        layout: kernels ``(outputs, inputs, kernel, kernel)``.
        tile: channels of a tile, in and out.
        features: width of an embedding.
        hidden: width of what the first layer makes for each input channel.
        spread: deviation of the two layers' weights at the start.

    Raises:
        ConfigError: for a layer that cannot be laid out with tiles.
    """

    def __init__(self, layout: hd.ParamLayout, *, tile: int, features: int, hidden: int, spread: float) -> None:
        super().__init__()
        self.sides = layout[layout.names[0]].shape[2:]
        for spec in layout:
            if spec.shape[2:] != self.sides:
                raise ConfigError(f"'{spec.name}' has a kernel of {spec.shape[2:]}, the first one of {self.sides}.")
            if any(channels % tile for channels in spec.shape[:2]):
                raise ConfigError(
                    f"'{spec.name}' has {spec.shape[0]} output and {spec.shape[1]} input channels, which tiles of "
                    f"{tile} x {tile} do not fill. Choose another tile, or leave the layer out of what is generated."
                )
        self.layout = layout
        self.tile = tile
        self.hidden = hidden
        self.grids = [(spec.shape[0] // tile, spec.shape[1] // tile) for spec in layout]
        self.embeddings = nn.Parameter(torch.randn(sum(down * across for down, across in self.grids), features))
        self.inward = nn.Linear(features, tile * hidden)  # W_i and B_i, one below the other
        self.outward = nn.Linear(hidden, tile * math.prod(self.sides))
        for linear in (self.inward, self.outward):
            nn.init.trunc_normal_(linear.weight, std=spread, a=-2 * spread, b=2 * spread)
            nn.init.zeros_(linear.bias)

    def forward(self, context: Tensor) -> hd.Weights:
        rows = self.inward(self.embeddings).unflatten(-1, (self.tile, self.hidden))
        tiles = self.outward(rows).unflatten(-1, (self.tile, *self.sides)).transpose(1, 2)
        parts = tiles.split([down * across for down, across in self.grids])
        weights = {}
        for spec, grid, part in zip(self.layout, self.grids, parts, strict=True):
            kernel = part.unflatten(0, grid).movedim(1, 2).reshape(spec.shape)
            weights[spec.name] = kernel.expand(*context.shape, *spec.shape)
        return weights


def build(config: Config) -> hd.HyperDNN:
    """The network, and the generator of its kernels."""
    target = hd.Target(build_target(config), select=GENERATED, buffers="shared")
    generator = KernelGenerator(
        target.layout, tile=config.tile, features=config.features, hidden=config.hidden, spread=config.spread
    )
    return hd.HyperDNN(target, generator)


def build_fixed(config: Config) -> hd.HyperDNN:
    """The same, with embeddings that stay as they were drawn."""
    model = build(config)
    model.hypernet.embeddings.requires_grad_(False)
    return model


def build_plain(config: Config) -> hd.HyperDNN:
    """The same network with kernels of its own."""
    target = hd.Target(build_target(config), select=GENERATED, buffers="shared")
    return hd.HyperDNN(target, baselines.Separate(1, target.layout))


def build_target(config: Config) -> nn.Module:
    """The network, not yet deprived of its kernels."""
    task = data(config)
    if config.network == "wide_resnet":
        return WideResNet(task.shape[0], task.classes, depth=config.depth, widen=config.widen)
    channels, height, width = task.shape
    conv = nn.Conv2d(config.tile, config.tile, config.kernel, padding=config.kernel // 2)
    block = nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU(), pool=nn.MaxPool2d(2)))
    stem = nn.Sequential(nn.Conv2d(channels, config.tile, 7, padding=3), nn.ReLU(), nn.MaxPool2d(2))
    out = nn.Linear(config.tile * (height // 4) * (width // 4), task.classes)
    return nn.Sequential(OrderedDict(stem=stem, block=block, flat=nn.Flatten(), out=out))


@final
class Residual(nn.Module):
    """Two 3 x 3 convolutions, each behind a norm and a ReLU; where the shape changes, the shortcut is a convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.norm1(x).relu()
        change: Tensor = self.conv2(self.norm2(self.conv1(active)).relu())
        return change + (x if self.shortcut is None else self.shortcut(active))


@final
class WideResNet(nn.Module):
    """Three groups of residual blocks, the second and the third at half the resolution of the one before.

    Source:
        Zagoruyko & Komodakis, "Wide Residual Networks", BMVC 2016.
    """

    def __init__(self, channels: int, classes: int, *, depth: int, widen: int) -> None:
        super().__init__()
        widths = (16, 16 * widen, 32 * widen, 64 * widen)
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.blocks = nn.Sequential()
        for group, (inputs, outputs) in enumerate(pairwise(widths)):
            for k in range((depth - 4) // 6):
                self.blocks.append(Residual(outputs if k else inputs, outputs, stride=2 if group and not k else 1))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.out = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out(self.norm(self.blocks(self.stem(x))).relu().mean((2, 3)))
        return logits


def data(config: Config) -> lab.data.Task:
    """Images and their classes."""
    return lab.data.load(config.source, normalise=config.network == "wide_resnet")


def step(model: hd.HyperDNN, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """Cross-entropy, and what the kernels' size costs."""
    config = state.config
    lab.train.set_rate(state, max(config.train.lr * config.decay**state.step, config.least))
    images = lab.data.shifted(batch.inputs, config.shift, generator=state.generator)
    if config.flip:
        images = lab.data.flipped(images, generator=state.generator)
    weights = model.generate(batch.context)
    loss = F.cross_entropy(model.call(weights, images), batch.targets)
    size = losses.squared_norm(weights, model.target.layout)
    return {"loss": loss + config.l2 / 2 * size, "task": loss, "size": size}


def evaluate(model: hd.HyperDNN, task: lab.data.Task) -> dict[str, Any]:
    """The share of test images that are classified wrongly, and how many numbers the kernels are trained with."""
    weights = model.generate(task.test[:0].context)
    wrong = sum(int((model.call(weights, b.inputs).argmax(-1) != b.targets).sum()) for b in task.test.batches(500))
    trained = sum(p.numel() for p in model.hypernet.parameters() if p.requires_grad)
    kernels = next(iter(weights.values()))[:SHOWN, :SHOWN]
    return {"error": wrong / len(task.test), "kernel_parameters": trained, "kernels": kernels.cpu().tolist()}


RECIPE = lab.Recipe(
    summary="Generates the kernels of a convolutional network from a short embedding of each layer.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=lab.train.fit,
    reference=lab.Reference(
        title="HyperNetworks",
        authors="Ha, Dai & Le",
        venue="ICLR",
        year=2017,
        url="https://arxiv.org/abs/1609.09106",
    ),
    claims=(
        lab.Claim(
            text="With generated kernels at most 1.5 % of the test images are classified wrongly.",
            config="default",
            metric="hypernet/error",
            at_most=0.015,
            published=0.79,
            source="MNIST notebook of hardmaru/supercell",
        ),
        lab.Claim(
            text="That is at most 0.4 points more than with kernels of their own.",
            config="default",
            metric="hypernet/error",
            minus="plain/error",
            at_most=0.004,
            published=0.02,
            source="MNIST notebook of hardmaru/supercell",
        ),
        lab.Claim(
            text="4,244 numbers are trained for the second layer's kernels, of which there are 12,544.",
            config="default",
            metric="hypernet/kernel_parameters",
            at_least=4244,
            at_most=4244,
            published=4244,
            source="MNIST notebook of hardmaru/supercell",
        ),
        lab.Claim(
            text="Kernels of their own in so few numbers, with smaller filters, are better by 0.2 points at most.",
            config="default",
            metric="hypernet/error",
            minus="smaller filters/error",
            at_most=0.002,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "plain": lab.Variant(build=build_plain),
        "smaller filters": lab.Variant(build=build_plain, changes={"kernel": 4}),
        "fixed embeddings": lab.Variant(build=build_fixed),
    },
    figures=lab.report.kernel_figures,
    space={"spread": "1e-2..0.3:log", "train.lr": "1e-3..1e-2:log"},
    conditioned_on="task",
)
