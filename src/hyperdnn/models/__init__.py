"""Wiring: parts make a `Hypernet`, a hypernet and a target make a `HyperDNN`. No arithmetic here.

`hypernet_vjp` carries gradients that were computed elsewhere back into a hypernet; `unroll` generates weights at
every time step; `Cached` remembers the weights of contexts that return.
"""

from hyperdnn.models._cached import Cached
from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._unroll import unroll
from hyperdnn.models._vjp import hypernet_vjp

__all__ = ["Cached", "HyperDNN", "Hypernet", "hypernet_vjp", "unroll"]
