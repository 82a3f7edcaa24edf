"""From arrays of images to a task."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Split, Task

__all__ = ["Part", "image_task"]

Part = Literal["train", "validation", "test"]


def image_task(
    name: str,
    parts: Mapping[Part, tuple[Tensor, Tensor]],
    *,
    white: int,
    pad: int,
    normalise: bool,
) -> Task:
    """Scale images to [0, 1], or to mean 0 and deviation 1.

    Args:
        name: the task's name.
        parts: images in bytes, grey ``(samples, height, width)`` or ``(samples, channels, height, width)``, and their
            labels.
        white: the largest value that a pixel can have.
        pad: black pixels added on each side.
        normalise: subtract the mean of the training pixels and divide by their standard deviation, both taken
            before padding, over all channels.

    Raises:
        ConfigError: a negative pad.
    """
    if pad < 0:
        raise ConfigError(f"pad: expected 0 or more pixels, got {pad}.")
    scale, shift = 1 / white, 0.0
    if normalise:
        mean, deviation = _moments(parts["train"][0], white=white)
        scale, shift = 1 / deviation, -mean / deviation
    splits = {
        part: Split(stored=_with_channels(F.pad(images, (pad,) * 4)), targets=labels.long(), scale=scale, shift=shift)
        for part, (images, labels) in parts.items()
    }
    classes = int(torch.cat([labels for _, labels in parts.values()]).max()) + 1
    return Task(
        name=name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        classes=classes,
    )


def _with_channels(images: Tensor) -> Tensor:
    return images[:, None] if images.dim() == 3 else images


def _moments(images: Tensor, *, white: int) -> tuple[float, float]:
    """Mean and standard deviation of the pixels, by counting: as floats the images would fill the memory."""
    share = images.flatten().bincount(minlength=white + 1).double() / images.numel()
    values = torch.arange(white + 1, dtype=torch.float64)
    mean = (share * values).sum()
    return mean.item(), (share * (values - mean) ** 2).sum().sqrt().item()
