"""Wiring: parts make a `Hypernet`, a hypernet and a target make a `HyperDNN`. No arithmetic on weights here.

`GraphHypernet` generates for architectures that come with the call. `hypernet_vjp` carries gradients that were computed
elsewhere back into a hypernet; `clip_gradient` bounds those that enter it; `unroll` generates weights at every time
step.
"""

from hyperdnn.models._clip import clip_gradient
from hyperdnn.models._graph import GraphHypernet
from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._unroll import unroll
from hyperdnn.models._vjp import hypernet_vjp

__all__ = ["GraphHypernet", "HyperDNN", "Hypernet", "clip_gradient", "hypernet_vjp", "unroll"]
