"""Random contexts: the hypernet becomes a distribution over weights."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_vector

__all__ = ["Noise"]


@final
class Noise(nn.Module):
    """Takes standard normal noise as context. Draw it with `sample`, so that the caller decides when it is fresh.

    Args:
        features: width of the noise.
        device: where samples are drawn; follows the module.
        dtype: their type.

    Shape:
        ``(*contexts, features)`` -> the same.

    Raises:
        ContextError: if the width is wrong or a value is not finite.
    """

    like: Tensor

    def __init__(self, features: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.features = features
        # Remembers device and type through .to(); holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def sample(self, *sizes: int, generator: torch.Generator | None = None) -> Float[Tensor, "*contexts features"]:
        """Draw noise contexts ``(*sizes, features)``."""
        return torch.randn(*sizes, self.features, generator=generator, device=self.like.device, dtype=self.like.dtype)

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.features, "Noise")
        return context
