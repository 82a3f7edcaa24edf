"""Gradients and parameters of several processes, where no wrapper sees to them."""

from collections.abc import Sequence

import torch
from torch import Tensor, distributed

__all__ = ["is_divided", "mean_gradients", "whole"]


def is_divided(tensor: Tensor) -> bool:
    """Whether processes hold parts of a tensor."""
    return hasattr(tensor, "full_tensor")  # a DTensor, without importing it


def whole(tensor: Tensor) -> Tensor:
    """The tensor, gathered if processes hold parts of it; all of them must ask."""
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def mean_gradients(gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """The mean of the processes' gradients; None for parameters that no process has one of.

    Args:
        gradients: of this process.
        parameters: which they are of, the same on all processes.
    """
    if not distributed.is_available() or not distributed.is_initialized() or not parameters:
        return tuple(gradients)
    flags = torch.tensor([g is not None for g in gradients], dtype=torch.uint8, device=parameters[0].device)
    distributed.all_reduce(flags, distributed.ReduceOp.MAX)
    pairs = zip(gradients, parameters, flags.tolist(), strict=True)
    filled = [torch.zeros_like(p) if g is None else g for g, p, flag in pairs if flag]
    for gradient in filled:
        distributed.all_reduce(gradient)
        gradient.div_(distributed.get_world_size())
    found = iter(filled)
    return tuple(next(found) if flag else None for flag in flags.tolist())
