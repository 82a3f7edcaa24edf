"""Random Fourier features."""

import math
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError

__all__ = ["Fourier"]


@final
class Fourier(nn.Module):
    """Cosine and sine of random projections: nearby inputs get similar rows, distant ones unrelated rows.

    The product of two rows is close to ``2 * frequencies * exp(-2 * (pi * scale * distance) ** 2)``: inputs farther
    apart than ``1 / (2 * scale)`` do not know of each other. Too large a scale makes noise of the input, too small a
    one a straight line. The frequencies are drawn once, saved, and not trained.

    Args:
        inputs: width of the input.
        frequencies: how many; the output is twice as wide.
        scale: deviation of the frequencies, in periods per unit of input.
        device: where to put the frequencies.
        dtype: their type.

    Shape:
        ``(..., inputs)`` -> ``(..., 2 * frequencies)``, each row with unit root mean square.

    Raises:
        ConfigError: if the scale is not positive.

    Source:
        Rahimi & Recht, "Random Features for Large-Scale Kernel Machines", NeurIPS 2007; Tancik et al., "Fourier
        Features Let Networks Learn High Frequency Functions in Low Dimensional Domains", NeurIPS 2020, section 4.
    """

    directions: Tensor

    def __init__(
        self,
        inputs: int,
        frequencies: int,
        *,
        scale: float = 1.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise ConfigError(f"Fourier: expected a positive scale, got {scale}.")
        self.inputs = inputs
        self.frequencies = frequencies
        self.scale = scale
        self.register_buffer("directions", scale * torch.randn(frequencies, inputs, device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        wide = torch.promote_types(input.dtype, torch.float32)  # in half precision a phase of many periods is noise
        phases = 2 * math.pi * (input.to(wide) @ self.directions.to(wide).mT)
        return (2**0.5 * torch.cat([phases.cos(), phases.sin()], dim=-1)).to(input.dtype)

    def extra_repr(self) -> str:
        """What ``print`` shows in the brackets."""
        return f"inputs={self.inputs}, frequencies={self.frequencies}, scale={self.scale}"
