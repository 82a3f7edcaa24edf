"""Context -> features, one row for each context.

`Table` for tasks, users or clients known by index. `Vector` for contexts that are vectors already, `ScaledVector` for
those whose coordinates have ranges, `QuarterCircle` where their magnitude should not show, `Fourier` where small
differences matter, `Simplex` for shares of one whole. `Noise`, `UniformNoise` and `LearnedNoise` for random ones.
`Set`, `Sequence`, `Image` and `Graph` read data, and `Cells` reads an image as a grid of contexts; `Tokens` leaves the
reading to the body. `FromModule` makes an encoder of any module of yours, and `Frozen` keeps one from being trained.
`Join` and `WeightedSum` make one encoder of several. `Slots` comes after an encoder and adds one row for each slot of
the head. Context dimensions in are context dimensions out, save for the two that `Cells` adds.

`Nodes` is no encoder of contexts: it reads an architecture, one row for each of its nodes, for a `GraphHypernet`.
"""

from hyperdnn.encoders._cells import Cells
from hyperdnn.encoders._fourier import Fourier
from hyperdnn.encoders._from_module import FromModule
from hyperdnn.encoders._frozen import Frozen
from hyperdnn.encoders._graph import Graph
from hyperdnn.encoders._image import Image
from hyperdnn.encoders._join import Join, WeightedSum
from hyperdnn.encoders._nodes import Nodes
from hyperdnn.encoders._noise import LearnedNoise, Noise, UniformNoise
from hyperdnn.encoders._quarter_circle import QuarterCircle
from hyperdnn.encoders._scaled_vector import ScaledVector
from hyperdnn.encoders._sequence import Sequence
from hyperdnn.encoders._set import Set
from hyperdnn.encoders._simplex import Simplex
from hyperdnn.encoders._slots import Slots
from hyperdnn.encoders._table import Table
from hyperdnn.encoders._tokens import Tokens
from hyperdnn.encoders._vector import Vector

__all__ = [
    "Cells",
    "Fourier",
    "FromModule",
    "Frozen",
    "Graph",
    "Image",
    "Join",
    "LearnedNoise",
    "Nodes",
    "Noise",
    "QuarterCircle",
    "ScaledVector",
    "Sequence",
    "Set",
    "Simplex",
    "Slots",
    "Table",
    "Tokens",
    "UniformNoise",
    "Vector",
    "WeightedSum",
]
