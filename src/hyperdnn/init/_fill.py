"""Fill a head so that what it generates has given moments."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.init._matched import Moments

__all__ = ["fill_rows_", "fill_unit_", "unit_length", "unit_rms"]


def unit_rms(features: Tensor) -> Tensor:
    """Scale each row of features to unit root mean square, so that a head knows the variance it starts from.

    Shape:
        ``(*contexts, [slots,] hidden)`` -> the same.
    """
    return F.rms_norm(features, features.shape[-1:])


def unit_length(features: Tensor) -> Tensor:
    """Scale each row of features to unit root mean square and divide by the square root of their number.

    Under features of unit length a gradient step on the weights of an output map moves what is generated exactly as far
    as the same step on the target itself would; under unit root mean square it moves it ``hidden`` times as far, and
    plain SGD diverges.

    Shape:
        ``(*contexts, hidden)`` -> the same.
    """
    # In 16 bits torch's own bound is zero, and features of zeros would become NaN.
    return F.normalize(features, dim=-1, eps=max(1e-12, torch.finfo(features.dtype).tiny))


@torch.no_grad()
def fill_rows_(linear: nn.Linear, sizes: Sequence[int], moments: Sequence[Moments], *, length: float = 1.0) -> None:
    """Give each run of output rows its own moments: deviation by the weights, mean by the bias.

    Args:
        linear: output map.
        sizes: rows of each tensor, in order.
        moments: of each tensor.
        length: Euclidean length of the map's inputs: 1 after `unit_length`, ``sqrt(hidden)`` after `unit_rms`.
    """
    # torch.split of a parameter is a view, so this writes in place.
    for weight, bias, (mean, std) in zip(
        torch.split(linear.weight, list(sizes)), torch.split(linear.bias, list(sizes)), moments, strict=True
    ):
        weight.normal_().mul_(std / length)
        bias.fill_(mean)


def fill_unit_(linear: nn.Linear) -> None:
    """Make the output's entries start with zero mean and unit variance, for inputs of unit root mean square."""
    fill_rows_(linear, [linear.out_features], [Moments(0.0, 1.0)], length=linear.in_features**0.5)
