"""Convolutions that halve images of any size, each image normalised by itself."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_floats
from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.errors import ContextError

__all__ = ["check_pixels", "halving"]


def check_pixels(context: Tensor, channels: int, encoder: str) -> None:
    """Verify images ``(*contexts, channels, height, width)``, which have a pixel at least.

    Raises:
        ContextError: if a shape or type is wrong or a value is not finite.
    """
    check_floats(context, (channels, "height", "width"), encoder)
    if 0 in context.shape[-2:]:
        raise ContextError(f"{encoder}: expected images of one pixel or more, got {tuple(context.shape)}.")


def halving(
    channels: int,
    widths: Sequence[int],
    *,
    kernel: int,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Sequential:
    """Convolutions of stride 2 with group normalisation: each leaves half the pixels.

    Args:
        channels: of the images.
        widths: channels of each convolution.
        kernel: 3 rounds odd numbers up; 4 rounds them down, and looks equally far to either side.
        device: where to put the parameters.
        dtype: their type.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in zip((channels, *widths), widths, strict=False):
        convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=1, device=device, dtype=dtype)
        keep_scale_(convolution)
        layers += [convolution, nn.GroupNorm(1, outputs, device=device, dtype=dtype), nn.GELU()]
    return nn.Sequential(*layers)
