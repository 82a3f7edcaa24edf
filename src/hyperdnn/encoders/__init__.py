"""Context -> features, one row for each context.

`Table` for tasks, users or clients known by index; `Vector` for contexts that are vectors already; `Noise` for random
ones; `FromModule` for anything that a module of yours can read. `Slots` comes after an encoder and adds one row for
each slot of the head. Context dimensions in are context dimensions out.
"""

from hyperdnn.encoders._from_module import FromModule
from hyperdnn.encoders._noise import Noise
from hyperdnn.encoders._slots import Slots
from hyperdnn.encoders._table import Table
from hyperdnn.encoders._vector import Vector

__all__ = ["FromModule", "Noise", "Slots", "Table", "Vector"]
