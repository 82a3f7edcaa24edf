"""Parts of a data set in which every label has its share."""

from collections.abc import Sequence

import torch
from jaxtyping import Integer
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["folds", "parts"]


def folds(labels: Integer[Tensor, " samples"], num: int, *, generator: torch.Generator) -> Integer[Tensor, " samples"]:
    """Folds for cross-fitting: which one each sample belongs to, with every label equally in all.

    Args:
        labels: what is to be equally frequent, such as the treatment.
        num: how many folds.
        generator: deals the samples out.

    Raises:
        ConfigError: fewer than two folds, or a label with fewer samples than folds.
    """
    counts = torch.unique(labels, return_counts=True)[1]
    if num < 2 or (counts < num).any():
        raise ConfigError(
            f"folds: expected 2 to {min(counts.tolist(), default=0)}, the rarest label's count, got {num}."
        )
    return parts(labels, [1 / num] * num, generator=generator)


def parts(
    labels: Integer[Tensor, " samples"], shares: Sequence[float], *, generator: torch.Generator
) -> Integer[Tensor, " samples"]:
    """Random parts of given shares: which one each sample belongs to, with every label in proportion.

    Args:
        labels: what is to be in proportion, such as the class.
        shares: of each part; together 1.
        generator: deals the samples out.

    Raises:
        ConfigError: a negative share, or shares that do not add up.
    """
    if min(shares, default=-1.0) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"shares: expected numbers from 0 that add up to 1, got {list(shares)}.")
    ends = torch.tensor(shares, dtype=torch.float64).cumsum(0)[:-1]
    found = torch.empty_like(labels, dtype=torch.long)
    for label in torch.unique(labels):
        members = (labels == label).nonzero().squeeze(-1)
        order = members[torch.randperm(len(members), generator=generator)]
        bounds = (ends * len(members)).round().long()
        found[order] = torch.bucketize(torch.arange(len(members)), bounds, right=True)
    return found
