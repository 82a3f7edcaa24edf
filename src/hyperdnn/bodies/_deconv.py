"""A deconvolutional network that makes the slots."""

from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.bodies._stack import start_
from hyperdnn.errors import ConfigError
from hyperdnn.nn import SlotDeconvolution, gain
from hyperdnn.nn import activation as make_activation

__all__ = ["Deconv"]


@final
class Deconv(nn.Module):
    """Grows one row of features into all slots by transposed convolutions, as a generator grows an image.

    Stands where others need slot embeddings: goes with a head that takes slots, and without ``slots=``. Slots that are
    near each other come from the same few rows, and change together with the context; for chunks or filters in their
    order, not for unrelated layers. Each transposed convolution multiplies the slots by ``stride``, and has as many
    parameters however many slots there are; a last one too many is cut off.

    Costs ``first * features * widths[0]`` parameters for the ``first = ceil(slots / stride ** (len(widths) - 1))`` rows
    that it grows from, and ``2 * stride`` times an `MLP` of the same widths: to grow from few rows give many widths.

    Args:
        features: width of the input.
        widths: of the rows that it grows from, then of each transposed convolution; the last one is the body's output.
        slots: how many come out; a head says it as ``head.slots``.
        stride: new slots for each slot.
        activation: its name (see `MLP`), any but ``"sine"``.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, features)`` -> ``(*contexts, slots, hidden)``, with ``hidden = widths[-1]``; all slots start with
        the same second moment.

    Raises:
        ConfigError: for fewer than two widths, no slot, a stride below two, or an unknown activation.

    Source:
        Deutsch, "Generating Neural Networks with Neural Networks", 2018 (one map for many filters); Radford,
        Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
        ICLR 2016 (how it grows).
    """

    makes_slots = True

    def __init__(
        self,
        features: int,
        *widths: int,
        slots: int,
        stride: int = 2,
        activation: str = "relu",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ConfigError(f"Deconv needs at least two widths, as in Deconv(7, 64, 32, slots=20), got {widths}.")
        if slots < 1:
            raise ConfigError(f"Deconv makes at least one slot, got slots={slots}.")
        if stride < 2:
            raise ConfigError(f"Deconv: stride={stride} makes no more slots: take 2, or bodies.CNN.")
        self.features = features
        self.widths = widths
        self.slots = slots
        self.stride = stride
        self.activation = activation
        self.hidden = widths[-1]
        counts = [slots]  # of rows, backwards from the last layer: none is grown to be cut off later
        for _ in widths[1:]:
            counts.append(-(-counts[-1] // stride))
        self.first = counts.pop()
        self.enter = nn.Linear(features, self.first * widths[0], device=device, dtype=dtype)
        start_(self.enter, gain(activation), offset=True)
        layers: list[nn.Module] = [make_activation(activation)]
        strength = gain(activation)
        for inputs, outputs in pairwise(widths):
            grow = SlotDeconvolution(
                inputs, outputs, counts.pop(), stride=stride, gain=strength, device=device, dtype=dtype
            )
            layers += [grow, make_activation(activation)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts slots hidden"]:
        rows = self.enter(features).unflatten(-1, (self.first, -1))
        out: Tensor = self.layers(rows)
        return out
