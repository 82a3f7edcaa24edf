"""Spaces of architectures: random cells, and the networks that they are stacked to.

`draw_cells` draws a `Cell`, a small graph of `OPERATIONS`, any number of times; a `CellNetwork` is made of one. Its
`Convolution` and `Separable` layers are one operation each: ``Architecture.of(network, leaves=LEAVES)``.
"""

from hyperdnn.lab.cells._draw import OPERATIONS, Cell, draw_cells
from hyperdnn.lab.cells._network import LEAVES, CellNetwork, Convolution, Separable

__all__ = [
    "Cell",
    "OPERATIONS",
    "draw_cells",
    "CellNetwork",
    "Convolution",
    "Separable",
    "LEAVES",
]
