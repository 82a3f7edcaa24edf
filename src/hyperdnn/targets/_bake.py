"""One network out of a target."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hyperdnn.layout import ParamLayout
from hyperdnn.targets._places import places, release
from hyperdnn.targets._swap import restore
from hyperdnn.typing import Weights

__all__ = ["bake"]


@torch.no_grad()
def bake(
    module: nn.Module,
    layout: ParamLayout,
    weights: Weights,
    buffers: Mapping[str, Tensor],
    keep: type[nn.Module],
) -> nn.Module:
    """A copy of a taken-over module with weights as its parameters and torch's own layers back.

    Args:
        module: with empty places.
        layout: what was taken away; aliases become tied parameters again.
        weights: effective ones, of a single context.
        buffers: running statistics to set.
        keep: modules of this class that stand inside keep hyperdnn's layers (see `restore`).
    """
    module = copy.deepcopy(module)
    parameters: dict[str, nn.Parameter] = {}
    for spec in layout:
        value = weights[spec.name].detach().to(spec.dtype, copy=True)
        parameters.update(dict.fromkeys(spec.names, nn.Parameter(value)))
    where = list(places(module, layout))
    for owner, leaf, name in where:
        owner._parameters[leaf] = parameters[name]
    release(owner for owner, _, _ in where)
    for name, buffer in buffers.items():
        module.get_buffer(name).copy_(buffer)
    return restore(module, keep)
