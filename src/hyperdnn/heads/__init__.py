"""Features -> named weights. The choice of head is the generation strategy.

`FullHead` generates all weights at once, `MultiHead` with one output map for each tensor, `FactoredHead` two thin
factors for each matrix, `ChunkedHead` piece by piece of the flat vector, `ComponentHead` layer by layer or filter by
filter. The last two need slots (`encoders.Slots`). `CoordinateHead` makes each weight a function of its position.
`TiledHead` and `NodeHead` follow a target's graph, one row for each node, and also take an architecture that comes with
the call. `FlatHead` takes the features for the weights. `Join` gives each part of a target a head of its own, and
`Linked` passes what a head generates through a function.
"""

from hyperdnn.heads._chunked import ChunkedHead
from hyperdnn.heads._component import ComponentHead
from hyperdnn.heads._coordinate import CoordinateHead
from hyperdnn.heads._factored import FactoredHead
from hyperdnn.heads._flat import FlatHead
from hyperdnn.heads._full import FullHead
from hyperdnn.heads._join import Join
from hyperdnn.heads._linked import Linked
from hyperdnn.heads._multi import MultiHead
from hyperdnn.heads._node import NodeHead
from hyperdnn.heads._tiled import TiledHead

__all__ = [
    "ChunkedHead",
    "ComponentHead",
    "CoordinateHead",
    "FactoredHead",
    "FlatHead",
    "FullHead",
    "Join",
    "Linked",
    "MultiHead",
    "NodeHead",
    "TiledHead",
]
