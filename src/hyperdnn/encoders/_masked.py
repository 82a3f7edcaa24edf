"""Contexts of which some pieces are absent."""

import torch
from torch import Tensor

from hyperdnn.encoders._finite import check_finite, check_form
from hyperdnn.errors import ContextError
from hyperdnn.typing import Context

__all__ = ["read_masked"]


def read_masked(context: Context, inputs: int, encoder: str) -> tuple[Tensor, Tensor | None]:
    """Elements ``(*contexts, n, inputs)``, zero where absent, and the mask ``(*contexts, n)`` if one was given.

    Raises:
        ContextError: if a shape or type is wrong, or a value that is present is not finite.
    """
    elements, mask = context if isinstance(context, tuple) and len(context) == 2 else (context, None)
    check_form(elements, ("n", inputs), encoder)
    if mask is not None:
        _check_mask(elements, mask, encoder)
        elements = elements.masked_fill(~mask.unsqueeze(-1), 0.0)
    check_finite(elements, encoder)
    return elements, mask


def _check_mask(elements: object, mask: object, encoder: str) -> None:
    if not isinstance(elements, Tensor) or not isinstance(mask, Tensor):
        kinds = f"{type(elements).__name__} and {type(mask).__name__}"
        raise ContextError(f"{encoder} takes tensors (*contexts, n, inputs) and (*contexts, n), got {kinds}.")
    if mask.dtype != torch.bool or mask.shape != elements.shape[:-1]:
        raise ContextError(
            f"{encoder}: expected a boolean mask {tuple(elements.shape[:-1])}, got {mask.dtype} {tuple(mask.shape)}."
        )
    if mask.device != elements.device:
        raise ContextError(f"{encoder}: the mask is on {mask.device}, what it masks on {elements.device}.")
