"""Contexts that are images, each of which becomes a grid of contexts."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.encoders._finite import check_like
from hyperdnn.encoders._halving import check_pixels, halving
from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.errors import ConfigError

__all__ = ["Cells"]


@final
class Cells(nn.Module):
    """Reads images of any size and gives each of its cells features of its own, for weights that differ over space.

    Adds two context dimensions. A cell is ``2 ** len(widths)`` pixels high and wide, since every convolution halves the
    image. Its features look beyond it, equally far on every side, and each image is normalised as a whole. `nn.Tiles`
    of the same size cuts the data into the same grid.

    Args:
        channels: of the images.
        features: width of the output.
        widths: channels of each convolution.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, channels, height, width)`` -> ``(*contexts, down, across, features)``, with
        ``down = ceil(height / cell)`` and ``across = ceil(width / cell)``.

    Raises:
        ConfigError: if there is no width.
        ContextError: if a shape or type is wrong or a value is not finite.

    Source:
        Nirkin, Wolf & Hassner, "HyperSeg: Patch-wise Hypernetwork for Real-time Semantic Segmentation", CVPR 2021,
        section 3 (here without its pretrained trunk).
    """

    adds_contexts = 2

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
            raise ConfigError("Cells needs at least one width, as in Cells(3, 64, widths=(32, 64)): cells of 4 pixels.")
        self.channels = channels
        self.features = features
        self.widths = tuple(widths)
        self.cell = 2 ** len(self.widths)
        self.layers = halving(channels, widths, kernel=4, device=device, dtype=dtype)
        self.out = nn.Linear(widths[-1], features, device=device, dtype=dtype)
        keep_scale_(self.out)

    def forward(
        self, context: Float[Tensor, "*contexts channels height width"]
    ) -> Float[Tensor, "*contexts down across features"]:
        check_pixels(context, self.channels, "Cells")
        check_like(context, self.out.weight, "Cells")
        contexts, shape = context.shape[:-3], context.shape[-3:]
        whole = (0, -shape[-1] % self.cell, 0, -shape[-2] % self.cell)  # the last cells may reach beyond the image
        maps = self.layers(F.pad(context.reshape(contexts.numel(), *shape), whole))
        cells: Tensor = self.out(maps.movedim(-3, -1))
        return cells.reshape(*contexts, *cells.shape[-3:])
