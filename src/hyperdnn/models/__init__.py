"""Wiring: parts make a `Hypernet`, a hypernet and a target make a `HyperDNN`. No arithmetic on weights here.

`Conditioned` makes a model a layer whose weights depend on its own input. `Join`, `Stack` and `WeightMixture` make one
hypernet of several, `OutputMixture` mixes what several networks compute. `GraphHypernet` generates for architectures
that come with the call, `Cached` remembers the weights of contexts that return, `Portioned` runs
many a portion at a time. `hypernet_vjp` carries gradients that
were computed elsewhere back into a hypernet; `clip_gradient` bounds those that enter it; `unroll` generates weights at
every time step. Under `keep_dropout` a hypernet with dropout is a distribution over networks.
"""

from hyperdnn.models._cached import Cached
from hyperdnn.models._clip import clip_gradient
from hyperdnn.models._conditioned import Conditioned
from hyperdnn.models._dropout import keep_dropout
from hyperdnn.models._graph import GraphHypernet
from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._join import Join, Stack
from hyperdnn.models._mixture import OutputMixture, WeightMixture
from hyperdnn.models._portioned import Portioned
from hyperdnn.models._unroll import unroll
from hyperdnn.models._vjp import hypernet_vjp

__all__ = [
    "Cached",
    "Conditioned",
    "GraphHypernet",
    "HyperDNN",
    "Hypernet",
    "Join",
    "OutputMixture",
    "Portioned",
    "Stack",
    "WeightMixture",
    "clip_gradient",
    "hypernet_vjp",
    "keep_dropout",
    "unroll",
]
