"""MNIST and Fashion-MNIST, each read from its four official files."""

import gzip
import math
import struct
from typing import Final

import torch
from torch import Tensor

from hyperdnn.lab.data._batch import Task
from hyperdnn.lab.data._fetch import DataError, path
from hyperdnn.lab.data._images import image_task

__all__ = ["fashion_mnist", "mnist"]

_VALIDATION: Final = 5000
_WHITE: Final = 255


def mnist(*, pad: int = 0, normalise: bool = False) -> Task:
    """70,000 images of 28 x 28 pixels in ten classes: 55,000 to train, 5,000 to validate, 10,000 to test.

    The validation images are the first 5,000 of the official training file. The files come from
    ``HYPERDNN_DATA``, the cache or the net; see `path`.

    Args:
        pad: black pixels added on each side; the permuted-MNIST literature often pads by 2, to 32 x 32.
        normalise: mean 0 and deviation 1 over the training pixels, instead of the range [0, 1].

    Source:
        LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", Proc.
        IEEE, 1998.
    """
    return _task("mnist", pad=pad, normalise=normalise)


def fashion_mnist(*, pad: int = 0, normalise: bool = False) -> Task:
    """70,000 images of clothes in ten classes, in the form and with the parts of `mnist`.

    Args:
        pad: as for `mnist`.
        normalise: as for `mnist`.

    Source:
        Xiao, Rasul & Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
        2017.
    """
    return _task("fashion_mnist", pad=pad, normalise=normalise)


def _task(name: str, *, pad: int, normalise: bool) -> Task:
    images, labels = _idx(name, "train-images-idx3-ubyte.gz"), _idx(name, "train-labels-idx1-ubyte.gz")
    return image_task(
        name,
        {
            "train": (images[_VALIDATION:], labels[_VALIDATION:]),
            "validation": (images[:_VALIDATION], labels[:_VALIDATION]),
            "test": (_idx(name, "t10k-images-idx3-ubyte.gz"), _idx(name, "t10k-labels-idx1-ubyte.gz")),
        },
        white=_WHITE,
        pad=pad,
        normalise=normalise,
    )


def _idx(set_name: str, file_name: str) -> Tensor:
    """The tensor in an idx file: two zeros, a type (8: unsigned bytes), the number of sizes, the sizes."""
    file = path(set_name, file_name)
    raw = bytearray(gzip.decompress(file.read_bytes()))
    zeros, kind, dims = struct.unpack_from(">HBB", raw)
    shape = struct.unpack_from(f">{dims}I", raw, 4)
    start = 4 + 4 * dims
    if (zeros, kind) != (0, 8) or len(raw) - start != math.prod(shape):
        raise DataError(f"{file}: expected an idx file of bytes, got type {kind} and {len(raw)} bytes for {shape}.")
    return torch.frombuffer(raw, dtype=torch.uint8, offset=start).reshape(shape)
