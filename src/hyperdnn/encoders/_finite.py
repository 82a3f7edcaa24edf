"""The checks that encoders of numbers share."""

import torch
from torch import Tensor

from hyperdnn._torch import is_mapped
from hyperdnn.errors import ContextError

__all__ = ["check_floats", "check_vector", "is_readable"]


def check_vector(context: Tensor, features: int, encoder: str) -> None:
    """Verify type, width and finiteness of a context vector ``(*contexts, features)``.

    Raises:
        ContextError: saying which of them is wrong.
    """
    check_floats(context, (features,), encoder)


def check_floats(context: Tensor, shape: tuple[int | str, ...], encoder: str) -> None:
    """Verify type, shape and finiteness of a context ``(*contexts, *shape)``.

    Args:
        context: what the encoder was given.
        shape: of one context; a dimension that may have any size is given by its name.
        encoder: for the message.

    Raises:
        ContextError: saying which of them is wrong.
    """
    expected = f"(*contexts, {', '.join(map(str, shape))})"
    if not isinstance(context, Tensor):
        raise ContextError(f"{encoder} takes a tensor {expected}, got {type(context).__name__}.")
    if not context.is_floating_point():
        kind = "vectors" if len(shape) == 1 else "tensors"
        raise ContextError(f"{encoder} takes floating-point {kind}, got {context.dtype}.")
    sizes = zip(shape, context.shape[-len(shape) :], strict=False)
    if context.ndim < len(shape) or any(isinstance(n, int) and n != size for n, size in sizes):
        raise ContextError(f"{encoder}: expected {expected}, got {tuple(context.shape)}.")
    if not is_readable(context):
        return
    finite = torch.isfinite(context)
    if not bool(finite.all()):
        where = (~finite).nonzero()[0].tolist()
        raise ContextError(
            f"{encoder}: the context is not finite at {where} ({context[tuple(where)].item()}). "
            "Weights generated from it would be NaN throughout."
        )


def is_readable(context: Tensor) -> bool:
    """Whether values can be looked at: not inside ``torch.compile`` or ``torch.vmap``, not on the meta device."""
    return not (torch.compiler.is_compiling() or is_mapped(context) or context.is_meta)
