"""Wiring: parts make a `Hypernet`, a hypernet and a target make a `HyperDNN`. No arithmetic here.

`GraphHypernet` generates for architectures that come with the call.

`hypernet_vjp` carries gradients that were computed elsewhere back into a hypernet; `unroll` generates weights at
every time step.
"""

from hyperdnn.models._graph import GraphHypernet
from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._unroll import unroll
from hyperdnn.models._vjp import hypernet_vjp

__all__ = ["GraphHypernet", "HyperDNN", "Hypernet", "hypernet_vjp", "unroll"]
