"""CIFAR-10, read from one archive of JPEG files."""

import io
import tarfile
from functools import cache
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.data._batch import Task
from hyperdnn.lab.data._fetch import DataError, path
from hyperdnn.lab.data._images import image_task

__all__ = ["cifar10"]

_FILE: Final = "cifar10-jpg.tar.xz"
_SIDE: Final = 32
_VALIDATION: Final = 500  # of each class; never changed: published numbers depend on the split
_WHITE: Final = 255


def cifar10(*, pad: int = 0, normalise: bool = False) -> Task:
    """60,000 colour images of 32 x 32 pixels in ten classes: 45,000 to train, 5,000 to validate, 10,000 to test.

    The validation images are the first 500 of each class in the training folder. The pixels went through lossy JPEG, so
    accuracies are close to those on the official files, but not the same. Decoding takes several seconds, once in a
    process.

    Args:
        pad: black pixels added on each side.
        normalise: mean 0 and deviation 1 over the training pixels of all channels, instead of the range [0, 1].

    Raises:
        DataError: the archive is absent, damaged, or holds something else.

    Source:
        Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    return _task(path("cifar10", _FILE), pad=pad, normalise=normalise)


@cache
def _task(file: Path, *, pad: int, normalise: bool) -> Task:
    parts = _read(file)
    images, labels = parts["train"]
    first = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(int(labels.max()) + 1):
        first[(labels == label).nonzero().flatten()[:_VALIDATION]] = True
    return image_task(
        "cifar10",
        {
            "train": (images[~first], labels[~first]),
            "validation": (images[first], labels[first]),
            "test": parts["test"],
        },
        white=_WHITE,
        pad=pad,
        normalise=normalise,
    )


def _read(file: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Images ``(n, 3, 32, 32)`` and labels by folder: classes, and files in them, in the order of their names."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", extra="lab") from error
    found: dict[str, dict[tuple[str, str], bytes]] = {"train": {}, "test": {}}
    with tarfile.open(file) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None:  # a folder
                continue
            folder, label, name = Path(member.name).parts[-3:]
            image = Image.open(io.BytesIO(stream.read()))
            if (image.mode, image.size) != ("RGB", (_SIDE, _SIDE)):
                raise DataError(f"{file}: '{member.name}' is not an image of {_SIDE} x {_SIDE} pixels in colours.")
            found[folder][label, name] = image.tobytes()
    return {folder: _stacked(images) for folder, images in found.items()}


def _stacked(images: dict[tuple[str, str], bytes]) -> tuple[Tensor, Tensor]:
    order = sorted(images)
    numbers = {label: number for number, label in enumerate(sorted({label for label, _ in order}))}
    pixels = torch.frombuffer(bytearray().join(images[place] for place in order), dtype=torch.uint8)
    stored = pixels.view(-1, _SIDE, _SIDE, 3).permute(0, 3, 1, 2).contiguous()
    return stored, torch.tensor([numbers[label] for label, _ in order])
