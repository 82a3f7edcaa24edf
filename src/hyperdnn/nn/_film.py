"""A gain and a shift for each channel."""

from typing import final

import torch
from torch import Tensor, nn

from hyperdnn.nn._channels import check_channels

__all__ = ["Film"]


@final
class Film(nn.Module):
    """Scales and shifts each channel: ``x + gain * x + shift`` (feature-wise linear modulation).

    Both start at zero, where the output is exactly the input.

    Args:
        features: number of channels.
        channel_dim: where they are; 1 for images in a batch.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(..., features, ...)`` -> the same.

    Raises:
        LayoutError: if the input has another number of channels.

    Source:
        Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018, section 3.1, where the
        gain is ``1 + gain``.
    """

    def __init__(
        self,
        features: int,
        *,
        channel_dim: int = -1,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.channel_dim = channel_dim
        self.gain = nn.Parameter(torch.zeros(features, device=device, dtype=dtype))
        self.shift = nn.Parameter(torch.zeros(features, device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        check_channels(input, self.features, self.channel_dim, "Film")
        behind = (-self.channel_dim if self.channel_dim < 0 else input.ndim - self.channel_dim) - 1
        gain, shift = (part.reshape(-1, *[1] * behind) for part in (self.gain, self.shift))
        return input + (input * gain + shift)  # and not input * (1 + gain): in half precision that loses small gains

    def extra_repr(self) -> str:
        """What ``print`` shows in the brackets."""
        return f"{self.features}, channel_dim={self.channel_dim}"
