"""A gain and an offset for each generated tensor."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["TensorAffine"]


@final
class TensorAffine(nn.Module):
    """Turns unit-variance numbers into tensors with given moments: ``offset + gain * raw``, one pair for each tensor.

    Heads whose output map is shared by slots cannot give each tensor its own variance in that map, so they do it
    here, after the cut. The gain is trained: a tensor that must start exactly at its mean (a change, a norm's gain)
    has gain zero, and training opens it.

    Args:
        means: offset of each tensor, fixed.
        stds: initial gain of each tensor.
        device: where to put them.
        dtype: their type.

    Shape:
        tensors of any shapes, as many as there are pairs -> the same.
    """

    offset: Tensor

    def __init__(
        self,
        means: Sequence[float],
        stds: Sequence[float],
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(stds, device=device, dtype=dtype or torch.get_default_dtype()))
        self.register_buffer("offset", torch.tensor(means, device=device, dtype=dtype or torch.get_default_dtype()))

    def forward(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        pairs = zip(self.gain.unbind(), self.offset.unbind(), raw.items(), strict=True)
        return {name: torch.addcmul(offset, gain, tensor) for gain, offset, (name, tensor) in pairs}
