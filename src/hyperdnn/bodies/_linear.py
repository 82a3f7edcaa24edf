"""The simplest body."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Linear"]


@final
class Linear(nn.Module):
    """One linear map without an activation: with it the hypernet is a linear, low-rank map of its features.

    Its bias starts at zero. A head that brings features to unit length then sees of a context only its direction, and
    of a single coordinate the sign: such contexts want an `MLP`, or a head with ``normalize=False``.

    Args:
        features: width of the input.
        hidden: width of the output.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, [slots,] features)`` -> ``(*contexts, [slots,] hidden)``.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.hidden = hidden
        self.linear = nn.Linear(features, hidden, device=device, dtype=dtype)
        nn.init.normal_(self.linear.weight, std=features**-0.5)  # keeps the variance; heads rescale it in any case
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        out: Tensor = self.linear(features)
        return out
