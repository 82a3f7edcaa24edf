"""A plain network for small images, and what it costs."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

__all__ = ["convolutions", "multiplications"]


def convolutions(
    shape: Sequence[int], channels: Sequence[int], classes: int, *, pooled: Sequence[int]
) -> nn.Sequential:
    """Convolutions of 3 x 3 with batch normalisation, the last of them averaged over the image for a linear classifier.

    The layers' names are ``conv0``, ``norm0`` and so on, and ``classifier``.

    Args:
        shape: of an image, ``(channels, height, width)``.
        channels: that each convolution makes.
        classes: of images.
        pooled: convolutions, from 0, behind which images become half as large.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, (inputs, outputs) in enumerate(pairwise((shape[0], *channels))):
        layers[f"conv{k}"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        layers[f"norm{k}"], layers[f"relu{k}"] = nn.BatchNorm2d(outputs), nn.ReLU()
        if k in pooled:
            layers[f"pool{k}"] = nn.MaxPool2d(2)
    layers["average"], layers["flat"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    layers["classifier"] = nn.Linear(channels[-1], classes)
    return nn.Sequential(layers)


def multiplications(shape: Sequence[int], channels: Sequence[int], classes: int, *, pooled: Sequence[int]) -> int:
    """What such a network costs for one image, in convolutions and classifier; without building it.

    Args:
        shape: as for `convolutions`, as all others.
        channels: of each convolution.
        classes: of images.
        pooled: convolutions behind which images become half as large.
    """
    _, height, width = shape
    total = channels[-1] * classes
    for k, (inputs, outputs) in enumerate(pairwise((shape[0], *channels))):
        total += 9 * inputs * outputs * height * width
        height, width = (height // 2, width // 2) if k in pooled else (height, width)
    return total
