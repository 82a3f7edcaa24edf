"""A convolutional network over slots."""

from functools import partial
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.bodies._needs_slots import check_slots
from hyperdnn.bodies._stack import check_stack, stack
from hyperdnn.errors import ConfigError
from hyperdnn.nn import SlotConvolution, gain
from hyperdnn.nn import activation as make_activation

__all__ = ["CNN"]


@final
class CNN(nn.Module):
    """Convolutions over the slot axis, each followed by an activation: adjacent chunks or layers see each other.

    Needs slots: without them several contexts would be taken for the slots of one. As many slots come out as go in;
    beyond the ends stand zeros (see `nn.SlotConvolution`). Costs ``kernel`` times an `MLP` of the same widths, however
    many slots there are.

    Args:
        features: width of the input.
        widths: channels of each layer; the last one is the body's output.
        kernel: slots that one output sees, an odd number.
        activation: its name (see `MLP`), any but ``"sine"``.
        norm: ``"layer"`` for a layer norm over each slot's row between a convolution and its activation.
        dropout: share of each layer's output that is dropped in training.
        residual: add each layer's input to its output where the two are equally wide, as in `MLP`.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, slots, features)`` -> ``(*contexts, slots, hidden)``, with ``hidden = widths[-1]``.

    Raises:
        ConfigError: for no width, an even kernel, an unknown name, ``residual`` where no layer is as wide as its input,
            or for features without slots.

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
        norm: Literal["none", "layer"] = "none",
        dropout: float = 0.0,
        residual: bool = False,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_stack("CNN", features, widths, norm=norm, residual=residual)
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"CNN: kernel must be odd, so that each slot stays in the middle, got {kernel}.")
        self.features = features
        self.widths = widths
        self.kernel = kernel
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.residual = residual
        self.hidden = widths[-1]
        maps = [
            SlotConvolution(inputs, outputs, kernel, gain=gain(activation), device=device, dtype=dtype)
            for inputs, outputs in zip((features, *widths), widths, strict=False)
        ]
        make = partial(make_activation, activation)
        self.layers = stack(maps, (features, *widths), make, norm=norm, dropout=dropout, residual=residual)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        check_slots(self, features)
        out: Tensor = self.layers(features)
        return out
