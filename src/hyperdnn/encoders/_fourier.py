"""Context vectors in which small differences matter."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_place, check_vector
from hyperdnn.nn import Fourier as Features

__all__ = ["Fourier"]


@final
class Fourier(nn.Module):
    """Random Fourier features of a context vector: angles, times, places, physical constants.

    Every row has unit root mean square whatever the context, and contexts that are farther apart than
    ``1 / (2 * scale)`` become unrelated (see `nn.Fourier`): weights may then change fast with the context. Coordinates
    should have about equal ranges.

    Args:
        inputs: width of the vector.
        frequencies: how many; the features are twice as wide.
        scale: deviation of the frequencies, in periods per unit of the context.
        device: where to put the frequencies.
        dtype: their type.

    Shape:
        ``(*contexts, inputs)`` -> ``(*contexts, 2 * frequencies)``.

    Raises:
        ConfigError: if the scale is not positive.
        ContextError: if the width is wrong or a value is not finite.

    Source:
        Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
        NeurIPS 2020, section 4.
    """

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
        self.inputs = inputs
        self.frequencies = frequencies
        self.scale = scale
        self.features = 2 * frequencies
        self.fourier = Features(inputs, frequencies, scale=scale, device=device, dtype=dtype)

    def forward(self, context: Float[Tensor, "*contexts inputs"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.inputs, "Fourier")
        check_place(context, self.fourier.directions, "Fourier")
        features: Tensor = self.fourier(context)
        return features
