"""Omniglot: handwritten characters of many alphabets, read from its two official small background sets."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from zipfile import ZipFile

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.data._fetch import DataError, path

__all__ = ["omniglot"]

_DRAWERS: Final = 20
_SIDE: Final = 105  # pixels of a stored image
_ALPHABETS: Final[Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]] = MappingProxyType(
    {  # never changed: published numbers depend on the split
        "train": (("images_background_small1", ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")),),
        "validation": (("images_background_small2", ("Sanskrit",)),),
        "test": (("images_background_small2", ("Japanese_(katakana)", "Tagalog")),),
    }
)


def omniglot(*, pixels: int = 28) -> dict[str, Tensor]:
    """242 characters of 20 drawers each, without a character or an alphabet in two parts.

    136 characters of five alphabets to train (all of the first small set), 42 of Sanskrit to validate, 64 of Katakana
    and Tagalog to test (which only the second has). Ink is white.

    Args:
        pixels: side of an image, to which the published 105 pixels are averaged.

    Returns:
        Bytes ``(characters, 20, 1, pixels, pixels)`` by part.

    Raises:
        ConfigError: a side that makes no sense.

    Source:
        Lake, Salakhutdinov & Tenenbaum, "Human-level concept learning through probabilistic program induction",
        Science, 2015.
    """
    if not 1 <= pixels <= _SIDE:
        raise ConfigError(f"pixels: expected 1 to {_SIDE}, got {pixels}.")
    return {
        part: torch.cat([_read(name, alphabets, pixels) for name, alphabets in sources])
        for part, sources in _ALPHABETS.items()
    }


def _read(name: str, alphabets: tuple[str, ...], pixels: int) -> Tensor:
    """The characters of some alphabets, in the order of their names."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", extra="lab") from error
    file = path("omniglot", f"{name}.zip")
    images = []
    with ZipFile(file) as archive:
        entries = sorted(e for e in archive.namelist() if e.endswith(".png") and e.split("/")[1] in alphabets)
        for entry in entries:
            image = Image.open(io.BytesIO(archive.read(entry))).convert("L")
            small = image.resize((pixels, pixels), Image.Resampling.BOX)
            images.append(torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8))
    if not images or len(images) % _DRAWERS:
        raise DataError(f"{file}: expected {_DRAWERS} images of each character, got {len(images)} in all.")
    return 255 - torch.stack(images).view(-1, _DRAWERS, 1, pixels, pixels)
