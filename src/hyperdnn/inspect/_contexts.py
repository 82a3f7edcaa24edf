"""Contexts to look at, where nobody passed any."""

import torch
from torch import nn

from hyperdnn.encoders import Table, Vector
from hyperdnn.errors import ContextError
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context

__all__ = ["known_contexts", "typical_contexts"]


def known_contexts(hypernet: nn.Module, number: int, *, generator: torch.Generator | None = None) -> Context:
    """Up to ``number`` rows of a `Table`, or draws of an encoder that can ``sample``; None for all others."""
    encoder = getattr(hypernet, "encoder", None)
    if isinstance(encoder, Table):
        return torch.arange(min(encoder.contexts, number), device=next(encoder.parameters()).device)
    sample = getattr(encoder, "sample", None)
    return None if sample is None else sample(number, generator=generator)


def typical_contexts(model: HyperDNN, *, asker: str, generator: torch.Generator | None = None) -> Context:
    """64 contexts, and for a `Vector` standard normal ones.

    Raises:
        ContextError: if the encoder does not tell what it takes.
    """
    known = known_contexts(model.hypernet, 64, generator=generator)
    if known is not None:
        return known
    encoder = getattr(model.hypernet, "encoder", None)
    if isinstance(encoder, Vector):
        like = next(model.hypernet.parameters())
        return torch.randn(64, encoder.features, generator=generator).to(like)
    raise ContextError(f"{asker} cannot make contexts for {type(encoder).__name__}: pass context=.")
