"""Generated tensors as matrices that a heat map has room for."""

import math
from dataclasses import dataclass
from typing import Final, final

from torch import Tensor
from torch.nn import functional as F

__all__ = ["Grid", "grid", "pictures"]

MOST: Final = 64  # cells on a side: more are smaller than a pixel or two, and slow to draw


@final
@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a tensor is laid out as a matrix of cells.

    Args:
        rows: of the matrix, before cells are made.
        columns: the same.
        block: rows and columns whose mean is one cell.
        note: the same in words.
        axes: what rows and columns are.
    """

    rows: int
    columns: int
    block: tuple[int, int]
    note: str
    axes: tuple[str, str]


def grid(shape: tuple[int, ...]) -> Grid:
    """Matrices as they are, kernels side by side, vectors as a strip.

    Args:
        shape: of the tensor.
    """
    if len(shape) < 2:
        rows, columns, axes = 1, math.prod(shape), ("", "number")
    else:
        rows, columns, axes = shape[0] * math.prod(shape[2:-1]), shape[1], ("output", "input")
        if len(shape) > 2:
            columns *= shape[-1]
            axes = ("output channel, kernel" if len(shape) > 3 else "output channel", "input channel, kernel")
    block = (max(math.ceil(rows / MOST), 1), max(math.ceil(columns / MOST), 1))
    size = " x ".join(map(str, shape)) if shape else "1"
    means = "" if block == (1, 1) else f"; a cell is the mean of {block[0]} x {block[1]} weights"
    return Grid(rows=rows, columns=columns, block=block, note=f"{size}{means}", axes=axes)


def pictures(tensors: Tensor) -> Tensor:
    """The cells of tensors of one shape.

    Args:
        tensors: ``(n, *shape)``.

    Shape:
        ``(n, *shape)`` -> ``(n, r, c)`` in float32, where neither side is longer than 64.
    """
    layout = grid(tuple(tensors.shape[1:]))
    if tensors.ndim > 3:
        inner = range(3, tensors.ndim - 1)
        tensors = tensors.permute(0, 1, *inner, 2, tensors.ndim - 1)
    matrices = tensors.reshape(len(tensors), layout.rows, layout.columns).float()
    if layout.block == (1, 1):
        return matrices
    # behind the edge nothing is counted: the last cells are means of fewer numbers
    return F.avg_pool2d(matrices, layout.block, ceil_mode=True)
