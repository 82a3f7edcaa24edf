"""Features -> named weights. The choice of head is the generation strategy.

`FullHead` generates all weights at once, `MultiHead` with one output map for each tensor, `ChunkedHead` piece by
piece of the flat vector, `ComponentHead` layer by layer or filter by filter. The last two need slots
(`encoders.Slots`).
"""

from hyperdnn.heads._chunked import ChunkedHead
from hyperdnn.heads._component import ComponentHead
from hyperdnn.heads._full import FullHead
from hyperdnn.heads._multi import MultiHead

__all__ = ["ChunkedHead", "ComponentHead", "FullHead", "MultiHead"]
