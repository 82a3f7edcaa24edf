"""Spaces of architectures, for systems that choose among networks.

`draw_cells` draws a `Cell`, a small graph of `OPERATIONS`, any number of times; a `CellNetwork` is made of one. Its
`Convolution` and `Separable` layers are one operation each: ``Architecture.of(network, leaves=LEAVES)``.

`Banks` is the space of networks whose operations read and write banks of channels: it draws a `Plan`, a list of `Op`s,
and encodes it as an image. A `BankNetwork` runs one plan, or any that is a part of its own.
"""

from hyperdnn.lab.spaces._bank_network import BankNetwork
from hyperdnn.lab.spaces._banks import Banks, Op, Plan
from hyperdnn.lab.spaces._cell_network import LEAVES, CellNetwork, Convolution, Separable
from hyperdnn.lab.spaces._cells import OPERATIONS, Cell, draw_cells

__all__ = [
    "Cell",
    "OPERATIONS",
    "draw_cells",
    "CellNetwork",
    "Convolution",
    "Separable",
    "LEAVES",
    "Banks",
    "Op",
    "Plan",
    "BankNetwork",
]
