"""Features -> features. A body keeps all leading dimensions.

`Linear` is one linear map, `MLP` a stack of them with activations: with slots they treat every slot alike. The others
let slots see each other, and declare it as ``mixes_slots``: in `Attention` all of them, in `RNN` those before, in `CNN`
those beside, in `Graph` those that the target computes before and after. In `CrossAttention` slots also read the tokens
that the encoder gives; `Deconv` makes the slots itself. `Flow` is invertible and knows the density of what it
makes of noise.
"""

from hyperdnn.bodies._attention import Attention
from hyperdnn.bodies._cnn import CNN
from hyperdnn.bodies._cross_attention import CrossAttention
from hyperdnn.bodies._deconv import Deconv
from hyperdnn.bodies._flow import Flow
from hyperdnn.bodies._graph import Graph
from hyperdnn.bodies._linear import Linear
from hyperdnn.bodies._mlp import MLP
from hyperdnn.bodies._rnn import RNN

__all__ = ["CNN", "MLP", "RNN", "Attention", "CrossAttention", "Deconv", "Flow", "Graph", "Linear"]
