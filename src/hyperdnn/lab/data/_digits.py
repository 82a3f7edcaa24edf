"""The handwritten digits that scikit-learn brings: real data in a tenth of a second, without a network."""

from typing import Final

import torch

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.data._batch import Task
from hyperdnn.lab.data._images import image_task

__all__ = ["digits"]

_TEST, _VALIDATION, _SEED = 360, 180, 0  # never changed: published numbers depend on the split
_WHITE: Final = 16


def digits(*, pad: int = 0, normalise: bool = False) -> Task:
    """1,797 images of 8 x 8 pixels in ten classes: 1,257 to train, 180 to validate, 360 to test.

    The split is fixed and stratified by class.

    Args:
        pad: black pixels added on each side.
        normalise: mean 0 and deviation 1 over the training pixels, instead of the range [0, 1].

    Source:
        Alpaydin & Kaynak, "Cascading classifiers", Kybernetika 34, 1998.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error
    bunch = load_digits()
    images, labels = bunch.images.astype("uint8"), bunch.target
    images, test_images, labels, test_labels = train_test_split(
        images, labels, test_size=_TEST, stratify=labels, random_state=_SEED
    )
    images, validation_images, labels, validation_labels = train_test_split(
        images, labels, test_size=_VALIDATION, stratify=labels, random_state=_SEED
    )
    return image_task(
        "digits",
        {
            "train": (torch.from_numpy(images), torch.from_numpy(labels)),
            "validation": (torch.from_numpy(validation_images), torch.from_numpy(validation_labels)),
            "test": (torch.from_numpy(test_images), torch.from_numpy(test_labels)),
        },
        white=_WHITE,
        pad=pad,
        normalise=normalise,
    )
