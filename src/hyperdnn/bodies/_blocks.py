"""What transformers over slots are made of."""

from typing import TypeAlias

import torch
from torch import nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError
from hyperdnn.nn import Residual, SelfAttention

__all__ = ["Factories", "check_sizes", "feed_forward", "mix"]

Factories: TypeAlias = tuple[torch.device | None, torch.dtype | None]
"""Where to put parameters, and their type."""


def check_sizes(body: str, hidden: int, layers: int, heads: int) -> None:
    """Refuse sizes that make no transformer.

    Raises:
        ConfigError: naming the body.
    """
    if layers < 1:
        raise ConfigError(f"{body} needs at least one layer, got layers={layers}.")
    if heads < 1 or hidden % heads:
        raise ConfigError(f"{body}: hidden must be a multiple of heads, got hidden={hidden}, heads={heads}.")


def mix(hidden: int, heads: int, dropout: float, scale: float, factories: Factories) -> Residual:
    """A branch in which slots look at each other, behind its norm."""
    device, dtype = factories
    attention = SelfAttention(hidden, heads, device=device, dtype=dtype)
    return _branch(hidden, (attention,), dropout, scale, factories)


def feed_forward(hidden: int, dropout: float, scale: float, factories: Factories) -> Residual:
    """A branch of four times the width in which each slot is by itself, behind its norm."""
    device, dtype = factories
    widen = nn.Linear(hidden, 4 * hidden, device=device, dtype=dtype)
    narrow = nn.Linear(4 * hidden, hidden, device=device, dtype=dtype)
    nn.init.kaiming_normal_(widen.weight)
    nn.init.zeros_(widen.bias)
    initial.fill_unit_(narrow)
    return _branch(hidden, (widen, nn.GELU(), narrow), dropout, scale, factories)


def _branch(hidden: int, layers: tuple[nn.Module, ...], dropout: float, scale: float, factories: Factories) -> Residual:
    device, dtype = factories
    norm = nn.LayerNorm(hidden, device=device, dtype=dtype)
    drop = (nn.Dropout(dropout),) if dropout else ()
    return Residual(norm, *layers, *drop, scale=scale)
