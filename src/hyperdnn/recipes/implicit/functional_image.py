"""Images as functions: a hypernet reads an image and generates a network from positions to colours.

Klocek, Maziarka, Wolczyk, Tabor, Nowak & Smieja, "Hypernetwork Functional Image Representation", ICANN 2019 Workshops
(arXiv:1902.10404).

The generated network is the image, and it can be asked at any position: one forward pass for an image that was never
seen, and any resolution afterwards. Given a small image and trained on the pixels of a large one, it enlarges.

Faithful.
    All weights of the target are generated at once, by one output map behind a convolutional network. The target takes
    a position through layers of cosines, and a sigmoid, to a colour. The loss is the squared error of colours at random
    pixel centres of the large image, which the hypernet does not see.

Differs.
    Architecture and numbers of the publication are known here from hearsay only, so sizes are our own. Images are of
    28 x 28 pixels, given as means over 2 x 2. The random pixels of a step are the same for all of its images. The first
    layer's weights start with a deviation of ``frequency``, biases anywhere on the circle, the output at the mean
    colour, and all images at the same function (`init.from_target_`). The learning rate falls along a cosine.

    "latent" is one function, as wide as the generated ones, whose first layer takes the code of the same encoder beside
    the position. Settings were chosen on validation images in short runs. For the hypernet, of 150 steps: under a rate
    of 0.003, a ``frequency`` of 4 was better than 10 (16.9 and 15.5 dB), and with 4 a rate of 0.001 better than 0.003
    (17.5 and 16.9 dB); 400 steps of it made 19.3 dB, and 19.0 at 0.002. For "latent", of 400 steps: 15.9, 17.1 and 16.3
    dB at rates of 0.001, 0.003 and 0.01, and less with a frequency of 2.

Expected.
    Peak signal-to-noise ratio in dB on 2,000 test images: mean and spread of three seeds. No published number is known
    here.

    =======  =============  =============  =======  ========
    setting  hypernet       latent         bicubic  bilinear
    =======  =============  =============  =======  ========
    default  21.80 +- 0.02  19.12 +- 0.22  19.43    18.67
    =======  =============  =============  =======  ========
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, lab
from hyperdnn.lab import metrics

TESTS: Final = 2000  # images that are measured
PORTION: Final = 100  # images that are enlarged in one pass
SHOWN: Final = 3  # images in the figure


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: a target as wide as one would take on a faster machine; the publication's sizes are not known here."""

    seed: int = 0
    source: Literal["digits", "mnist", "fashion_mnist"] = "fashion_mnist"
    factor: int = 2  # by which the given image is smaller, each way
    pixels: int = 256  # of each image in a step
    encoder: tuple[int, ...] = (32, 64, 64)  # channels of the convolutions, the first of stride 1, the others of 2
    features: int = 256  # what the encoder makes of an image
    target: tuple[int, ...] = (64, 64, 64)  # hidden widths of the generated network
    frequency: float = 10.0  # deviation of its first layer's weights, in radians for half an image's side
    train: lab.train.Settings = lab.train.Settings(
        iterations=100_000, batch_size=64, lr=5e-4, schedule="cosine", clip_norm=1.0
    )

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "frequency")
        lab.config.check_least(self, 1, "factor", "pixels", "encoder", "features", "target")


@final
class Generated(nn.Module):
    """Images are functions: small images ``(images, channels, height, width)`` and points ``(n, 2)`` -> colours."""

    def __init__(self, model: hd.HyperDNN) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        colours: Tensor = self.model(points, context=images, data_dims=None)
        return colours


@final
class Concatenated(nn.Module):
    """One function for all images, which takes the image's code beside the point."""

    def __init__(self, encoder: nn.Module, net: nn.Sequential) -> None:
        super().__init__()
        self.encoder = encoder
        self.net = net

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        first, *rest = self.net
        assert isinstance(first, nn.Linear)
        # the first layer of [point, code] as a sum, of which each half is computed once
        place, code = torch.split(first.weight, [2, first.in_features - 2], dim=1)
        rows = F.linear(points, place) + F.linear(self.encoder(images), code, first.bias).unsqueeze(1)
        colours: Tensor = nn.Sequential(*rest)(rows)
        return colours


@final
class Interpolated(nn.Module):
    """Nothing is learnt: the image between its pixels' centres."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        grid = points.expand(len(images), 1, *points.shape)
        found = F.grid_sample(images, grid, mode=self.mode, padding_mode="border", align_corners=False)
        return found.squeeze(2).mT


@final
class Cosine(nn.Module):
    """The activation of the functions."""

    def forward(self, phases: Tensor) -> Tensor:
        return phases.cos()


def build(config: Config) -> Generated:
    """An encoder of images, one output map to all weights, and the function that these make."""
    task = data(config)
    net = build_function(config, task)
    start = net.state_dict()
    target = hd.Target(net)
    convolutions, width = build_convolutions(config, task)
    head = heads.FullHead(config.features, target.layout)
    init.from_target_(head, start)
    hypernet = hd.Hypernet(
        encoder=encoders.FromModule(convolutions, width, context_dims=3),
        body=bodies.MLP(width, config.features),
        head=head,
    )
    return Generated(hd.HyperDNN(target, hypernet))


def build_concatenated(config: Config) -> Concatenated:
    """The same encoder, and one function that takes its code."""
    task = data(config)
    convolutions, width = build_convolutions(config, task)
    encoder = nn.Sequential(convolutions, bodies.MLP(width, config.features))
    return Concatenated(encoder, build_function(config, task, code=config.features))


def build_bilinear(config: Config) -> Interpolated:
    """Between the four nearest pixels."""
    return Interpolated("bilinear")


def build_bicubic(config: Config) -> Interpolated:
    """Between the sixteen nearest pixels."""
    return Interpolated("bicubic")


def build_convolutions(config: Config, task: lab.data.Shrunken) -> tuple[nn.Module, int]:
    """What reads a small image, and the width of what it makes of it; where things are is kept."""
    example = task.train[:1].inputs
    layers: list[nn.Module] = []
    for k, (inputs, outputs) in enumerate(pairwise((example.shape[1], *config.encoder))):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2 if k else 1, padding=1), nn.ReLU()]
    convolutions = nn.Sequential(*layers, nn.Flatten())
    return convolutions, convolutions(example).shape[1]


def build_function(config: Config, task: lab.data.Shrunken, code: int = 0) -> nn.Sequential:
    """From a point, and maybe a code behind it, to colours, through cosines."""
    images = task.train[:1000].targets
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((2 + code, *config.target)):
        linear = nn.Linear(inputs, outputs)
        nn.init.normal_(linear.weight, std=(2 / inputs) ** 0.5)  # a cosine's mean square is 1/2
        nn.init.uniform_(linear.bias, -math.pi, math.pi)
        layers += [linear, Cosine()]
    last = nn.Linear(config.target[-1], images.shape[1])
    nn.init.normal_(last.weight, std=(2 / last.in_features) ** 0.5)
    nn.init.constant_(last.bias, images.mean().logit().item())
    first = layers[0].get_parameter("weight")
    nn.init.normal_(first[:, :2], std=config.frequency)
    return nn.Sequential(*layers, last, nn.Sigmoid())


def data(config: Config) -> lab.data.Shrunken:
    """Small images, and the large ones that they are means of."""
    return lab.data.Shrunken(task=lab.data.load(config.source), factor=config.factor)


def pixel_centres(height: int, width: int) -> Tensor:
    """Where the pixels of an image are, row by row, ``(height * width, 2)``: across and down, from -1 to 1.

    The image reaches from -1 to 1, so its first pixel's centre lies half a pixel inside.
    """
    down, across = ((2 * torch.arange(n) + 1) / n - 1 for n in (height, width))
    return torch.cartesian_prod(down, across).flip(-1)


def step(model: nn.Module, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The squared error at random pixels of the large images."""
    config, images = state.config, batch.targets
    points = pixel_centres(*images.shape[2:]).to(images)
    index = torch.randperm(len(points), generator=state.generator)[: config.pixels].to(images.device)
    return {"loss": F.mse_loss(model(batch.inputs, points[index]), images.flatten(2)[..., index].mT)}


def enlarged(model: nn.Module, images: Tensor, factor: int) -> Tensor:
    """Small images at so many times their height and width."""
    height, width = (factor * side for side in images.shape[2:])
    points = pixel_centres(height, width).to(images)
    colours = torch.cat([model(portion, points) for portion in torch.split(images, PORTION)])
    return colours.mT.reshape(*images.shape[:2], height, width).clamp(0, 1)


def evaluate(model: nn.Module, task: lab.data.Shrunken) -> dict[str, Any]:
    """How near enlarged images are to the originals, and how near to what was given if they are shrunk again.

    The latter also at a factor that was never trained: pixels of the finer grid lie where no pixel was seen.
    """
    pairs, factor = task.test[:TESTS], task.factor
    by_factor = {k: enlarged(model, pairs.inputs, k) for k in (factor, factor + 1)}
    again = {f"given_psnr_x{k}": metrics.psnr(F.avg_pool2d(found, k), pairs.inputs) for k, found in by_factor.items()}
    shown = pairs.inputs[:SHOWN]
    return {
        "psnr": metrics.psnr(by_factor[factor], pairs.targets),
        **again,
        "given": grey(shown),
        "original": grey(pairs.targets[:SHOWN]),
        **{f"enlarged_{k}": grey(enlarged(model, shown, k)) for k in (factor, 2 * factor)},
    }


def grey(images: Tensor) -> list[Any]:
    """Pictures from 0 to 255, their channels averaged."""
    pictures: list[Any] = (255 * images.mean(1)).round().int().tolist()
    return pictures


def view(model: Generated, data: lab.data.Shrunken) -> lab.View:
    """Small test images, and the functions that they become, at the pixels of the large ones and at finer ones."""
    pairs, factor = data.test[:12], data.factor
    return lab.view_pictures(model.model, pairs.inputs, pairs.targets, pixel_centres, scales=(factor, 2 * factor))


RECIPE = lab.Recipe(
    summary="Generates, for each image, a network from positions to colours, which can be asked at any resolution.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=lab.train.fit,
    reference=lab.Reference(
        title="Hypernetwork Functional Image Representation",
        authors="Klocek, Maziarka, Wolczyk, Tabor, Nowak & Smieja",
        venue="ICANN Workshops",
        year=2019,
        url="https://arxiv.org/abs/1902.10404",
    ),
    claims=(
        lab.Claim(
            text="Enlarged twice, new images are at least 2 dB nearer to the originals than by bicubic interpolation.",
            config="default",
            metric="hypernet/psnr",
            minus="bicubic/psnr",
            at_least=2,
        ),
        lab.Claim(
            text="They are at least 0.5 dB nearer than by one function that takes the image's code as an input.",
            config="default",
            metric="hypernet/psnr",
            minus="latent/psnr",
            at_least=0.5,
        ),
        lab.Claim(
            text="Enlarged three times, as was never trained, and shrunk again, they match what was given as when "
            "enlarged twice, within 1 dB.",
            config="default",
            metric="hypernet/given_psnr_x3",
            minus="hypernet/given_psnr_x2",
            at_least=-1,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "latent": lab.Variant(build=build_concatenated, changes={"train.lr": 3e-3}),
        "bicubic": lab.Variant(build=build_bicubic),
        "bilinear": lab.Variant(build=build_bilinear),
    },
    figures=lab.report.resolution_figures,
    space={"frequency": "3..30:log", "train.lr": "1e-4..3e-3:log"},
    view=view,
)
