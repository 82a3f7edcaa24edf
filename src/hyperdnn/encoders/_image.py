"""Contexts that are images."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_like
from hyperdnn.encoders._halving import check_pixels, halving
from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.errors import ConfigError

__all__ = ["Image"]


@final
class Image(nn.Module):
    """Reads images of any size with a small convolutional network and averages over space.

    Every convolution halves the image. Each image is normalised by itself, so contexts never mix; for a pretrained
    trunk take `FromModule`.

    Args:
        channels: of the images.
        features: width of the output.
        widths: channels of each convolution.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, channels, height, width)`` -> ``(*contexts, features)``.

    Raises:
        ConfigError: if there is no width.
        ContextError: if a shape or type is wrong or a value is not finite.

    Source:
        Wu & He, "Group normalization", ECCV 2018 (here of one group).
    """

    def __init__(
        self,
        channels: int,
        features: int,
        *,
        widths: Sequence[int] = (32, 64, 128),
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not widths:
            raise ConfigError("Image needs at least one width, as in Image(3, 64, widths=(32, 64)).")
        self.channels = channels
        self.features = features
        self.widths = tuple(widths)
        self.layers = halving(channels, widths, kernel=3, device=device, dtype=dtype)
        self.out = nn.Linear(widths[-1], features, device=device, dtype=dtype)
        keep_scale_(self.out)

    def forward(self, context: Float[Tensor, "*contexts channels height width"]) -> Float[Tensor, "*contexts features"]:
        check_pixels(context, self.channels, "Image")
        check_like(context, self.out.weight, "Image")
        contexts, shape = context.shape[:-3], context.shape[-3:]
        maps = self.layers(context.reshape(contexts.numel(), *shape))
        out: Tensor = self.out(maps.mean((-2, -1)))
        return out.reshape(*contexts, self.features)
