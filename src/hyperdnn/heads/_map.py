"""Linear maps from features to generated numbers."""

import torch
from torch import nn

from hyperdnn._torch import has_hooks

__all__ = ["empty_map", "is_plain"]


def empty_map(
    hidden: int, numbers: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> nn.Linear:
    """A map with any numbers in it, for a head to fill: torch's own start would cost as much and be thrown away."""
    where = torch.get_default_device() if device is None else device
    made: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, hidden, numbers, device=where, dtype=dtype
    )
    return made


def is_plain(linear: nn.Module) -> bool:
    """Whether calling a map says no more than its parameters: it is not wrapped, patched, watched or made anew."""
    own = getattr(type(linear), "forward", None) is not nn.Linear.forward or "forward" in linear.__dict__
    return not own and not has_hooks(linear)
