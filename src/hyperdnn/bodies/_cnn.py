"""A convolutional network over slots."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.bodies._needs_slots import check_slots
from hyperdnn.errors import ConfigError
from hyperdnn.nn import activation as make_activation

__all__ = ["CNN"]


@final
class CNN(nn.Module):
    """Convolutions over the slot axis, each followed by an activation: adjacent chunks or layers see each other.

    Needs slots: without them several contexts would be taken for the slots of one. As many slots come out as go in;
    beyond the ends stand zeros. Costs ``kernel`` times an `MLP` of the same widths, however many slots there are.

    Args:
        features: width of the input.
        widths: channels of each layer; the last one is the body's output.
        kernel: slots that one output sees, an odd number.
        activation: its name (see `MLP`).
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, slots, features)`` -> ``(*contexts, slots, hidden)``, with ``hidden = widths[-1]``.

    Raises:
        ConfigError: for no width, an even kernel, an unknown activation, or for features without slots.

    Source:
        LeCun et al., "Backpropagation Applied to Handwritten Zip Code Recognition", Neural Computation 1989; He et al.,
        "Delving Deep into Rectifiers", ICCV 2015 (how it starts).
    """

    mixes_slots = True

    def __init__(
        self,
        features: int,
        *widths: int,
        kernel: int = 3,
        activation: str = "relu",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not widths:
            raise ConfigError("CNN needs at least one width, as in CNN(7, 32).")
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"CNN: kernel must be odd, so that each slot stays in the middle, got {kernel}.")
        self.features = features
        self.widths = widths
        self.kernel = kernel
        self.activation = activation
        self.hidden = widths[-1]
        layers: list[nn.Module] = []
        for inputs, outputs in zip((features, *widths), widths, strict=False):
            convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, device=device, dtype=dtype)
            nn.init.kaiming_normal_(convolution.weight)  # torch's default would shrink the features layer by layer
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
            layers += [convolution, make_activation(activation)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        check_slots(self, features)
        *contexts, slots, width = features.shape
        channels = features.reshape(-1, slots, width).transpose(-1, -2)  # a convolution takes one batch dimension
        out: Tensor = self.layers(channels).transpose(-1, -2)
        return out.reshape(*contexts, slots, self.hidden)
