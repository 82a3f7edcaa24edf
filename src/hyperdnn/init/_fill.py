"""Fill a head so that what it generates has given moments."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.init._matched import Moments

__all__ = ["fill_rows_", "fill_unit_", "unit_length", "unit_rms"]

_SMALLEST = torch.finfo(torch.float32).eps ** 0.5
"""Root mean square that is still brought to one; about where torch's own ``rms_norm`` has its bound."""


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
    plain SGD diverges. Features whose root mean square is below 0.0003 stay shorter: where a context gives zeros, the
    gradient would be multiplied by infinity.

    Shape:
        ``(*contexts, hidden)`` -> the same.
    """
    wide = features.to(torch.promote_types(features.dtype, torch.float32))  # in 16 bits the sum of squares overflows
    return F.normalize(wide, dim=-1, eps=_SMALLEST * features.shape[-1] ** 0.5).to(features.dtype)


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
