"""Context -> features, one row for each context.

`Table` for tasks, users or clients known by index. `Vector` for contexts that are vectors already, `ScaledVector` for
those whose coordinates have ranges, `Simplex` for shares of one whole. `Noise`, `UniformNoise` and `LearnedNoise` for
random ones. `Set`, `Sequence` and `Image` read data, and `Cells` reads an image as a grid of contexts; `FromModule`
makes an encoder of any module of yours, and `Frozen` keeps one from being trained. `Join` and `WeightedSum` make one
encoder of several. `Slots` comes after an encoder and adds one row for each slot of the head. Context dimensions in are
context dimensions out, save for the two that `Cells` adds.
"""

from hyperdnn.encoders._cells import Cells
from hyperdnn.encoders._from_module import FromModule
from hyperdnn.encoders._frozen import Frozen
from hyperdnn.encoders._image import Image
from hyperdnn.encoders._join import Join, WeightedSum
from hyperdnn.encoders._noise import LearnedNoise, Noise, UniformNoise
from hyperdnn.encoders._scaled_vector import ScaledVector
from hyperdnn.encoders._sequence import Sequence
from hyperdnn.encoders._set import Set
from hyperdnn.encoders._simplex import Simplex
from hyperdnn.encoders._slots import Slots
from hyperdnn.encoders._table import Table
from hyperdnn.encoders._vector import Vector

__all__ = [
    "Cells",
    "FromModule",
    "Frozen",
    "Image",
    "Join",
    "LearnedNoise",
    "Noise",
    "ScaledVector",
    "Sequence",
    "Set",
    "Simplex",
    "Slots",
    "Table",
    "UniformNoise",
    "Vector",
    "WeightedSum",
]
