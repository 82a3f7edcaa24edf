"""Smaller images, and fewer of them to judge by: for settings that many networks have to afford."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Split, Task

__all__ = ["by_areas", "scaled", "thinned"]

_PORTION = 10_000  # images that are scaled at a time


def scaled(source: Task, side: int) -> Task:
    """The same images in another size, by averaging areas; they stay in the type they are stored in.

    Args:
        source: images ``(channels, height, width)`` in their own order.
        side: height and width in the end.

    Raises:
        ConfigError: a side below 1, or a source that is no set of images in their own order.
    """
    if side < 1:
        raise ConfigError(f"scaled: expected a side of 1 or more, got {side}.")
    if len(source.shape) != 3 or source.train.order is not None:
        raise ConfigError(f"scaled: expected images (channels, height, width) in their own order in '{source.name}'.")
    train, validation, test = (
        replace(part, stored=by_areas(part.stored, side)) for part in (source.train, source.validation, source.test)
    )
    return replace(source, train=train, validation=validation, test=test)


def thinned(source: Task, samples: int) -> Task:
    """The same set with fewer samples to validate and to test, spread evenly over those that there are.

    For evaluations that run many networks on each sample. All samples to train stay.

    Args:
        source: any set.
        samples: the most that a part keeps.

    Raises:
        ConfigError: fewer than one sample asked for.
    """
    if samples < 1:
        raise ConfigError(f"thinned: expected 1 sample or more, got {samples}.")
    return replace(source, validation=_thinned(source.validation, samples), test=_thinned(source.test, samples))


def by_areas(images: Tensor, side: int) -> Tensor:
    """Images ``(samples, channels, height, width)`` scaled to a square, in their own type, a portion at a time."""
    portions = [
        F.interpolate(portion.float(), size=(side, side), mode="area").round().to(images.dtype)
        for portion in torch.split(images, _PORTION)
    ]
    return torch.cat(portions)


def _thinned(part: Split, samples: int) -> Split:
    if samples >= len(part):
        return part
    rows = torch.arange(samples, device=part.targets.device) * len(part) // samples
    return replace(part, stored=part.stored[rows], targets=part.targets[rows])
