"""Weight normalisation that runs with weights from outside, for one context and for many."""

from typing import final

import torch
from torch import Tensor, nn

from hyperdnn._torch import WeightNormBase

__all__ = ["WeightNorm"]


@final
class WeightNorm(nn.Module):
    """Torch's ``weight_norm`` in plain operations, which can be mapped over contexts and differentiated twice.

    Torch's kernel has no batching rule, and its second derivative is wrong. Lengths alone may be generated
    (``select="*.original0"``), or lengths and directions.

    Args:
        layer: the parametrisation to take over; `restore` builds it again.

    Shape:
        length ``(rows, 1, ...)`` and direction ``(rows, ...)`` -> weight ``(rows, ...)``.

    Source:
        Salimans & Kingma, "Weight Normalization", NeurIPS 2016, equation 2.
    """

    def __init__(self, layer: WeightNormBase) -> None:
        super().__init__()
        self.dim = layer.dim
        self.training = layer.training

    def restore(self) -> WeightNormBase:
        """Torch's own parametrisation."""
        return WeightNormBase(None if self.dim == -1 else self.dim)

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        return direction * (length / self._norm(direction))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight that somebody assigns."""
        return self._norm(weight), weight

    def _norm(self, weight: Tensor) -> Tensor:
        every = self.dim == -1  # torch's word for all of it
        others = None if every else [dim for dim in range(weight.ndim) if dim != self.dim % weight.ndim]
        norm: Tensor = torch.linalg.vector_norm(weight, dim=others, keepdim=not every)
        return norm
