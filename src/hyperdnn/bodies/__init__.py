"""Features -> features. A body keeps all leading dimensions: with slots it treats every slot alike.

`Linear` is one linear map, `MLP` a stack of them with activations.
"""

from hyperdnn.bodies._linear import Linear
from hyperdnn.bodies._mlp import MLP

__all__ = ["MLP", "Linear"]
