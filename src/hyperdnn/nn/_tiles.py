"""Images cut into tiles, and tiles put together again."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError, LayoutError

__all__ = ["Tiles"]


@final
@dataclass(frozen=True)
class Tiles:
    """Divides an image into a grid of square cells, each with a margin of its neighbours, and joins cells again.

    With weights of their own for each cell, ``target.paired(weights, tiles.split(image))`` is a network that differs
    over space. A convolution without padding eats the margin: with equal weights in all cells the joined image is that
    of the plain convolution with ``padding=overlap``.

    Images need not be whole multiples of a cell: the grid reaches beyond the right and lower edge, `split` fills with
    zeros, and `fold` crops. Memory grows by the margins, ``((size + 2 * overlap) / size) ** 2``.

    Args:
        size: height and width of a cell.
        overlap: width of the margin on each of its sides.

    Raises:
        ConfigError: for a size below one or a negative overlap.

    Source:
        Nirkin, Wolf & Hassner, "HyperSeg: Patch-wise Hypernetwork for Real-time Semantic Segmentation", CVPR 2021, with
        zeros around the image where they reflect it.
    """

    size: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.overlap < 0:
            raise ConfigError(f"Tiles: expected a size of at least 1 and an overlap of at least 0, got {self}.")

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """How many cells an image of this height and width has, down and across."""
        return -(-height // self.size), -(-width // self.size)

    def split(
        self, image: Shaped[Tensor, "*contexts channels height width"]
    ) -> Shaped[Tensor, "*contexts down across channels tile tile"]:
        """Cut an image into tiles of ``size + 2 * overlap`` pixels each way.

        Raises:
            LayoutError: if it is no image.
        """
        if image.ndim < 3:
            raise LayoutError(f"Tiles.split: expected (*contexts, channels, height, width), got {tuple(image.shape)}.")
        height, width = image.shape[-2:]
        down, across = self.grid(height, width)
        right, bottom = across * self.size - width, down * self.size - height
        padded = F.pad(image, (self.overlap, self.overlap + right, self.overlap, self.overlap + bottom))
        # Picking has a rule for each derivative under vmap, which torch's unfold has not.
        tile = self.size + 2 * self.overlap
        rows = padded.index_select(-2, self._pixels(down, self.overlap, image))
        pixels = rows.index_select(-1, self._pixels(across, self.overlap, image))
        return pixels.reshape(*image.shape[:-2], down, tile, across, tile).movedim((-4, -2), (-5, -4))

    def fold(
        self, tiles: Shaped[Tensor, "*contexts down across channels tile tile"], height: int, width: int
    ) -> Shaped[Tensor, "*contexts channels {height} {width}"]:
        """Join tiles to an image. Where margins are left, pixels are means over all tiles that have them.

        Unchanged tiles of finite numbers give the image back exactly.

        Args:
            tiles: as of `split`, with any number of channels, and whatever is left of their margins.
            height: of the image.
            width: of the image.

        Raises:
            LayoutError: if the grid is not that of such an image, or the tiles are smaller than a cell.
        """
        down, across = self.grid(height, width)
        margin, odd = divmod(tiles.shape[-1] - self.size, 2) if tiles.ndim >= 5 else (-1, 0)
        if margin < 0 or odd or tiles.shape[-2] != tiles.shape[-1] or tiles.shape[-5:-3] != (down, across):
            raise LayoutError(
                f"Tiles.fold: for {height} x {width} pixels in cells of {self.size} expected (*contexts, {down}, "
                f"{across}, channels, tile, tile) with tile = {self.size} + twice a margin, got {tuple(tiles.shape)}."
            )
        own = slice(margin, margin + self.size)
        image = _joined(tiles[..., own, own])
        if margin:
            # The mean as a change of the cell's own pixels: zero, and not merely small, where tiles agree.
            change = tiles - Tiles(self.size, margin).split(image)
            image = image + self._mean(change, margin)
        return image[..., :height, :width]

    def _mean(self, tiles: Tensor, margin: int) -> Tensor:
        """The mean of overlapping tiles at each pixel of the grid."""
        down, across = tiles.shape[-5:-3]
        sums = self._added(self._added(_joined(tiles), -1, across, margin), -2, down, margin)
        sides = [tiles.new_ones(n * (self.size + 2 * margin)) for n in (down, across)]
        rows, columns = (self._added(side, -1, n, margin) for side, n in zip(sides, (down, across), strict=True))
        whole = sums / (rows.unsqueeze(-1) * columns)
        return whole[..., margin : margin + down * self.size, margin : margin + across * self.size]

    def _added(self, source: Tensor, dim: int, cells: int, margin: int) -> Tensor:
        """Add up what belongs to the same pixel, along one side."""
        shape = list(source.shape)
        shape[dim] = cells * self.size + 2 * margin
        return source.new_zeros(shape).index_add(dim, self._pixels(cells, margin, source), source)

    def _pixels(self, cells: int, margin: int, like: Tensor) -> Tensor:
        """For each pixel of the tiles along one side its place in the padded image, tile after tile."""
        starts = torch.arange(cells, device=like.device) * self.size
        return (starts.unsqueeze(-1) + torch.arange(self.size + 2 * margin, device=like.device)).flatten()


def _joined(tiles: Tensor) -> Tensor:
    """Tiles side by side: ``(..., down, across, channels, t, t)`` -> ``(..., channels, down * t, across * t)``."""
    return tiles.movedim((-5, -4), (-4, -2)).flatten(-2).flatten(-3, -2)
