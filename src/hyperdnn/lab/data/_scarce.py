"""The same data set with fewer samples to train on."""

from dataclasses import replace

import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Task

__all__ = ["scarce"]


def scarce(source: Task, *, per_class: int, seed: int) -> Task:
    """Keep some training samples of each class, drawn at random; validation and test stay whole.

    Args:
        source: a set of classes.
        per_class: how many of each.
        seed: of the draw.

    Raises:
        ConfigError: none, or more than there are.
    """
    counts = source.train.targets.bincount(minlength=source.classes)
    if not 1 <= per_class <= int(counts.min()):
        raise ConfigError(
            f"per_class: expected 1 to {int(counts.min())}, the fewest training samples of a class in "
            f"'{source.name}', got {per_class}."
        )
    order = torch.randperm(len(source.train), generator=torch.Generator().manual_seed(seed))
    labels = source.train.targets[order]
    kept = torch.cat([order[labels == label][:per_class] for label in range(source.classes)]).sort().values
    train = replace(source.train, stored=source.train.stored[kept], targets=source.train.targets[kept])
    return replace(source, train=train)
