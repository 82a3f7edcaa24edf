"""Convolutions over slots whose ends start as strong as their middle."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SlotConvolution", "SlotDeconvolution"]


@final
class SlotConvolution(nn.Module):
    """Convolution over the slot dimension, with zeros beyond the ends.

    At the ends fewer slots are summed: unmended, a kernel of three halves a lone slot's second moment more than once in
    every layer. Each output is multiplied by ``sqrt(kernel / slots summed)``, so that all start with equal variance.

    Args:
        inputs: width of an input row.
        outputs: width of an output row.
        kernel: slots that one output sees, an odd number.
        gain: root mean square of the output at the start, for inputs of unit root mean square.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, slots, inputs)`` -> ``(*contexts, slots, outputs)``.

    Source:
        Liu et al., "Partial Convolution based Padding", 2018 (there for the mean: without the root).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        gain: float = 1.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.convolution = nn.Conv1d(
            inputs, outputs, kernel, padding=kernel // 2, bias=False, device=device, dtype=dtype
        )
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))  # comes after the correction
        nn.init.normal_(self.convolution.weight, std=gain * (inputs * kernel) ** -0.5)

    def forward(self, input: Tensor) -> Tensor:
        out = _over_slots(self.convolution, input)
        ones = out.new_ones(1, 1, input.shape[-2])
        summed = F.conv1d(ones, out.new_ones(1, 1, self.kernel), padding=self.kernel // 2)
        return out * (self.kernel / summed).sqrt().view(-1, 1) + self.bias


@final
class SlotDeconvolution(nn.Module):
    """Transposed convolution over the slot dimension: each slot becomes ``stride`` slots, which neighbours overlap.

    The kernel is twice the stride, so that inside every output sums two slots: with another kernel some would sum more
    than others, the checkerboard of transposed convolutions. Outputs at the ends, which sum one, are multiplied by
    ``sqrt(2)``.

    Args:
        inputs: width of an input row.
        outputs: width of an output row.
        slots: how many come out.
        stride: new slots for each slot.
        gain: root mean square of the output at the start, for inputs of unit root mean square.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, ceil(slots / stride), inputs)`` -> ``(*contexts, slots, outputs)``.

    Source:
        Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        slots: int,
        *,
        stride: int = 2,
        gain: float = 1.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.slots = slots
        self.stride = stride
        self.convolution = nn.ConvTranspose1d(
            inputs, outputs, 2 * stride, stride, bias=False, device=device, dtype=dtype
        )
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))  # comes after the correction
        nn.init.normal_(self.convolution.weight, std=gain * (2 * inputs) ** -0.5)

    def forward(self, input: Tensor) -> Tensor:
        out = _over_slots(self.convolution, input)
        ones = out.new_ones(1, 1, input.shape[-2])
        summed = F.conv_transpose1d(ones, out.new_ones(1, 1, 2 * self.stride), stride=self.stride)
        out = out * (2 / summed).sqrt().view(-1, 1)
        return out.narrow(-2, self.stride // 2, self.slots) + self.bias


def _over_slots(convolution: nn.Module, input: Tensor) -> Tensor:
    *contexts, slots, width = input.shape
    channels = input.reshape(torch.Size(contexts).numel(), slots, width)  # a convolution takes one batch dimension
    out: Tensor = convolution(channels.mT).mT
    return out.reshape(*contexts, *out.shape[-2:])
