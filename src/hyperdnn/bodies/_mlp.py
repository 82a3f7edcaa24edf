"""The usual body."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.nn import activation as make_activation

__all__ = ["MLP"]


@final
class MLP(nn.Module):
    """Linear layers, each followed by an activation.

    Args:
        features: width of the input.
        widths: width of each layer; the last one is the body's output.
        activation: its name; ``"relu"``, ``"elu"``, ``"gelu"``, ``"silu"``, ``"tanh"``, ...
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, [slots,] features)`` -> ``(*contexts, [slots,] hidden)``, with ``hidden = widths[-1]``.
    """

    def __init__(
        self,
        features: int,
        *widths: int,
        activation: str = "relu",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not widths:
            raise ConfigError("MLP needs at least one width, as in MLP(7, 32).")
        self.features = features
        self.widths = widths
        self.activation = activation
        self.hidden = widths[-1]
        layers: list[nn.Module] = []
        for inputs, outputs in zip((features, *widths), widths, strict=False):
            linear = nn.Linear(inputs, outputs, device=device, dtype=dtype)
            nn.init.kaiming_normal_(linear.weight)  # torch's default would shrink the features layer by layer
            nn.init.zeros_(linear.bias)
            layers += [linear, make_activation(activation)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        out: Tensor = self.layers(features)
        return out
