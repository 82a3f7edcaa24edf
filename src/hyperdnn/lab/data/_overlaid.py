"""Two images in one: the set on which several tasks compete."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Split, Task
from hyperdnn.lab.data._smaller import by_areas

__all__ = ["overlaid"]


def overlaid(source: Task, *, shift: int, pairs: Sequence[int], scaled_to: int | None = None, seed: int) -> Task:
    """Pairs of images in one, the second further right and down; where they overlap, the lighter pixel (Multi-MNIST).

    There are two classes to tell, so targets are ``(samples, 2)``. Pairs are drawn at random, train, validation and
    test each from its own part of the source, and the same seed gives the same pairs.

    Args:
        source: images of one set. MNIST's 28 x 28 become 36 x 36 under a shift of 8.
        shift: pixels by which the second image lies further right and down.
        pairs: how many to train, to validate and to test.
        scaled_to: side of the images in the end, by averaging areas; None leaves them as they are.
        seed: of the pairs.

    Raises:
        ConfigError: numbers that make no sense, or a source that is no set of images in their own order.

    Source:
        Sabour, Frosst & Hinton, "Dynamic routing between capsules", NeurIPS 2017; in this form Lin et al., "Pareto
        multi-task learning", NeurIPS 2019.
    """
    if len(source.shape) != 3 or source.train.order is not None:
        raise ConfigError(f"overlaid: expected images (channels, height, width) in their own order in '{source.name}'.")
    if shift < 0 or (scaled_to is not None and scaled_to < 1):
        raise ConfigError(f"overlaid: expected shift 0 or more and scaled_to 1 or more, got {shift} and {scaled_to}.")
    if len(pairs) != 3 or min(pairs) < 1:
        raise ConfigError(f"pairs: expected three numbers of 1 or more, to train, validate and test, got {pairs}.")
    generator = torch.Generator().manual_seed(seed)
    train, validation, test = (
        _pairs(part, shift, count, scaled_to, generator)
        for part, count in zip((source.train, source.validation, source.test), pairs, strict=True)
    )
    return replace(source, name=f"{source.name} in pairs", train=train, validation=validation, test=test)


def _pairs(part: Split, shift: int, count: int, scaled_to: int | None, generator: torch.Generator) -> Split:
    first, second = torch.randint(len(part), (2, count), generator=generator)
    images = part.stored
    canvas = F.pad(images[first], (0, shift, 0, shift))
    place = canvas[..., shift:, shift:]
    torch.maximum(place, images[second], out=place)
    if scaled_to is not None:
        canvas = by_areas(canvas, scaled_to)
    return replace(part, stored=canvas, targets=torch.stack([part.targets[first], part.targets[second]], dim=-1))
