"""Few-shot data by name, for configurations."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.data._digits import digits
from hyperdnn.lab.data._episodes import Episodes, EpisodeShape, FewShot
from hyperdnn.lab.data._omniglot import omniglot

__all__ = ["few_shot"]

_WHITE: Final = 255
_DIGITS: Final = {"train": range(4), "validation": range(4, 7), "test": range(7, 10)}


def few_shot(name: str, size: EpisodeShape, *, pixels: int = 28, tests: int = 600) -> FewShot:
    """Problems of "omniglot" characters, or of the "digits", which need no download but are only ten.

    Classes come in four rotations, each a class of its own, and training, validation and test share none: 136, 42 and
    64 characters, whose alphabets differ as well, or the digits 0 to 3, 4 to 6 and 7 to 9. Problems to train on have no
    ``size.others``.

    Args:
        name: of the images.
        size: of a problem.
        pixels: side of an image.
        tests: how many problems are measured.

    Raises:
        ConfigError: an unknown name, or problems for which there are too few classes.
        DataError: files that are absent, damaged or out of reach.
    """
    if name not in _READERS:
        raise ConfigError(f"there are no few-shot data '{name}'.{nearest(name, _READERS)}")
    trained = replace(size, others=0)
    images = _READERS[name](pixels=pixels)
    train, validation, test = (
        Episodes(stored=images[part], size=trained if part == "train" else size, scale=1 / _WHITE, turns=True)
        for part in ("train", "validation", "test")
    )
    return FewShot(name=name, train=train, validation=validation, test=test, tests=tests)


def _digits(*, pixels: int) -> dict[str, Tensor]:
    """All images of the digits, enlarged; as many of each as there are of the rarest."""
    source = digits()
    parts = (source.train, source.validation, source.test)
    images = torch.cat([part[:].inputs for part in parts])
    images = F.interpolate(images, (pixels, pixels), mode="bilinear", antialias=True) if pixels != 8 else images
    labels = torch.cat([part.targets for part in parts])
    fewest = int(labels.bincount().min())
    by_class = [images[labels == label][:fewest] for label in range(source.classes)]
    return {
        part: (_WHITE * torch.stack([by_class[label] for label in labels])).round().to(torch.uint8)
        for part, labels in _DIGITS.items()
    }


_READERS: Final[Mapping[str, Callable[..., dict[str, Tensor]]]] = MappingProxyType(
    {"digits": _digits, "omniglot": omniglot}
)
