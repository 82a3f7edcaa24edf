"""Run somebody's module with given weights.

`Target` takes a module over and runs it for one context, many, one for each sample, or a mixed batch. A combine
(`Replace`, `Residual`, `Scale`, `LowRank`, `Gaussian`) says how generated and base tensors make a parameter.
`attach_lora`, `attach_film` and `attach_adapter` put small modules beside its layers first, to generate those instead;
`attach_conditioned` puts a model in place of a layer, whose weights then depend on what the layer is given.
"""

from hyperdnn.targets._attach import attach_adapter, attach_conditioned, attach_film, attach_lora
from hyperdnn.targets._buffers import Policy
from hyperdnn.targets._combine import Gaussian, LowRank, Replace, Residual, Scale
from hyperdnn.targets._target import Target

__all__ = [
    "Gaussian",
    "LowRank",
    "Policy",
    "Replace",
    "Residual",
    "Scale",
    "Target",
    "attach_adapter",
    "attach_conditioned",
    "attach_film",
    "attach_lora",
]
