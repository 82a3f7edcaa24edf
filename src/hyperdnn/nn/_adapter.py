"""A narrow branch that changes features a little."""

from typing import final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.nn._activation import activation as activation_named
from hyperdnn.nn._channels import check_channels

__all__ = ["Adapter"]


@final
class Adapter(nn.Module):
    """Adds what a narrow network of two layers makes of the channels: ``x + up(activation(down(x)))``.

    ``up`` starts at zero, where the output is exactly the input; its gradient is not zero.

    Args:
        features: number of channels.
        bottleneck: width in the middle.
        channel_dim: where the channels are; 1 for images in a batch.
        activation: by name, as for `activation`.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(..., features, ...)`` -> the same.

    Raises:
        ConfigError: if the bottleneck is not positive, or the activation is unknown.
        LayoutError: if the input has another number of channels.

    Source:
        Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML 2019, section 2.1; Mahabadi et al.,
        "Parameter-efficient Multi-task Fine-tuning for Transformers via Shared Hypernetworks", ACL 2021 (generated).
    """

    def __init__(
        self,
        features: int,
        bottleneck: int,
        *,
        channel_dim: int = -1,
        activation: str = "gelu",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if bottleneck < 1:
            raise ConfigError(f"expected a bottleneck of at least 1, got {bottleneck}.")
        self.features = features
        self.channel_dim = channel_dim
        self.down = nn.Linear(features, bottleneck, device=device, dtype=dtype)
        self.activation = activation_named(activation)
        self.up = nn.Linear(bottleneck, features, device=device, dtype=dtype)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, input: Tensor) -> Tensor:
        check_channels(input, self.features, self.channel_dim, "Adapter")
        change: Tensor = self.up(self.activation(self.down(input.movedim(self.channel_dim, -1))))
        return input + change.movedim(-1, self.channel_dim)
