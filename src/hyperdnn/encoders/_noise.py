"""Random contexts: the hypernet becomes a distribution over weights."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_place, check_vector
from hyperdnn.errors import ConfigError

__all__ = ["LearnedNoise", "Noise", "UniformNoise"]


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


@final
class UniformNoise(nn.Module):
    """Takes uniform noise as context: bounded, so that no draw is far from those that were trained on.

    Args:
        features: width of the noise.
        low: least value drawn.
        high: no draw is above it.
        device: where samples are drawn; follows the module.
        dtype: their type.

    Shape:
        ``(*contexts, features)`` -> the same.

    Raises:
        ConfigError: if ``low`` is not below ``high``.
        ContextError: if the width is wrong or a value is not finite.
    """

    like: Tensor

    def __init__(
        self,
        features: int,
        *,
        low: float = -1.0,
        high: float = 1.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not low < high:
            raise ConfigError(f"UniformNoise: expected low < high, got low={low:g} and high={high:g}.")
        self.features = features
        self.low = low
        self.high = high
        # Remembers device and type through .to(); holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def sample(self, *sizes: int, generator: torch.Generator | None = None) -> Float[Tensor, "*contexts features"]:
        """Draw noise contexts ``(*sizes, features)``."""
        unit = torch.rand(*sizes, self.features, generator=generator, device=self.like.device, dtype=self.like.dtype)
        return self.low + (self.high - self.low) * unit

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.features, "UniformNoise")
        return context


@final
class LearnedNoise(nn.Module):
    """Gives standard normal noise a learned mean and scale in each coordinate, starting at 0 and 1.

    Gradients reach both through the noise that was drawn (reparameterisation).

    Args:
        features: width of the noise.
        device: where to put mean and scale, and where samples are drawn.
        dtype: their type.

    Shape:
        ``(*contexts, features)`` -> the same.

    Raises:
        ContextError: if the width is wrong or a value is not finite.

    Source:
        Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, section 2.4.
    """

    def __init__(self, features: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.features = features
        self.mean = nn.Parameter(torch.zeros(features, device=device, dtype=dtype))
        self.log_scale = nn.Parameter(torch.zeros(features, device=device, dtype=dtype))

    def sample(self, *sizes: int, generator: torch.Generator | None = None) -> Float[Tensor, "*contexts features"]:
        """Draw standard normal contexts ``(*sizes, features)``; mean and scale are applied when they are encoded."""
        return torch.randn(*sizes, self.features, generator=generator, device=self.mean.device, dtype=self.mean.dtype)

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.features, "LearnedNoise")
        check_place(context, self.mean, "LearnedNoise")
        return self.mean + self.log_scale.exp() * context
