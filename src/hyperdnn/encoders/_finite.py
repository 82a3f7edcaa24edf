"""The check that every encoder of vectors makes."""

import torch
from torch import Tensor

from hyperdnn._torch import is_mapped
from hyperdnn.errors import ContextError

__all__ = ["check_vector"]


def check_vector(context: Tensor, features: int, encoder: str) -> None:
    """Verify type, width and finiteness of a context vector ``(*contexts, features)``.

    Raises:
        ContextError: saying which of them is wrong.
    """
    if not isinstance(context, Tensor):
        raise ContextError(f"{encoder} takes a tensor (*contexts, {features}), got {type(context).__name__}.")
    if not context.is_floating_point():
        raise ContextError(f"{encoder} takes floating-point vectors, got {context.dtype}.")
    if context.ndim == 0 or context.shape[-1] != features:
        raise ContextError(f"{encoder}: expected (*contexts, {features}), got {tuple(context.shape)}.")
    if torch.compiler.is_compiling() or is_mapped(context):
        return  # values cannot be read there
    finite = torch.isfinite(context)
    if not bool(finite.all()):
        where = (~finite).nonzero()[0].tolist()
        raise ContextError(
            f"{encoder}: the context is not finite at {where} ({context[tuple(where)].item()}). "
            "Weights generated from it would be NaN throughout."
        )
