"""The checks that encoders of numbers share."""

import torch
from torch import Tensor

from hyperdnn._torch import is_mapped
from hyperdnn.errors import ContextError

__all__ = ["check_finite", "check_floats", "check_form", "check_like", "check_place", "check_vector", "is_readable"]

_FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


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
    check_form(context, shape, encoder)
    check_finite(context, encoder)


def check_form(context: Tensor, shape: tuple[int | str, ...], encoder: str) -> None:
    """`check_floats` without a look at the values: for a context of which some do not count."""
    expected = f"(*contexts, {', '.join(map(str, shape))})"
    if not isinstance(context, Tensor):
        raise ContextError(f"{encoder} takes a tensor {expected}, got {type(context).__name__}.")
    if context.dtype not in _FLOATS:
        kind = "vectors" if len(shape) == 1 else "tensors"
        raise ContextError(f"{encoder} takes floating-point {kind}, got {context.dtype}.")
    if context.layout is not torch.strided:
        raise ContextError(f"{encoder} takes a dense tensor, got {context.layout}: use context.to_dense().")
    sizes = zip(shape, context.shape[-len(shape) :], strict=False)
    if context.ndim < len(shape) or any(isinstance(n, int) and n != size for n, size in sizes):
        raise ContextError(f"{encoder}: expected {expected}, got {tuple(context.shape)}.")


def check_finite(context: Tensor, encoder: str, what: str = "the context") -> None:
    """Verify that no value is infinite or NaN, where values can be read.

    Raises:
        ContextError: naming the first one.
    """
    if not is_readable(context):
        return
    finite = torch.isfinite(context)
    if not bool(finite.all()):
        where = (~finite).nonzero()[0].tolist()
        raise ContextError(
            f"{encoder}: {what} is not finite at {where} ({context[tuple(where)].item()}). "
            "Weights generated from it would be NaN throughout."
        )


def check_place(context: Tensor, own: Tensor, encoder: str) -> None:
    """Verify that a context is where an encoder's own numbers are.

    Raises:
        ContextError: with the conversion that is wanted.
    """
    if context.device != own.device:
        raise ContextError(
            f"{encoder} is on {own.device}, the context on {context.device}: use context.to('{own.device}')."
        )


def check_like(context: Tensor, own: Tensor, encoder: str) -> None:
    """`check_place`, and that both have the same type. Under autocast any type will do.

    Raises:
        ContextError: with the conversion that is wanted.
    """
    check_place(context, own, encoder)
    if context.dtype != own.dtype and not torch.is_autocast_enabled(own.device.type):
        raise ContextError(
            f"{encoder} computes in {own.dtype}, the context is {context.dtype}: use context.to({own.dtype})."
        )


def is_readable(context: Tensor) -> bool:
    """Whether values can be looked at: not inside ``torch.compile`` or ``torch.vmap``, not on the meta device."""
    return not (torch.compiler.is_compiling() or is_mapped(context) or context.is_meta)
