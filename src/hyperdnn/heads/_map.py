"""Whether a linear map is its weight and bias, and nothing else."""

from torch import nn

from hyperdnn._torch import has_hooks

__all__ = ["is_plain"]


def is_plain(linear: nn.Module) -> bool:
    """Whether calling a map says no more than its parameters: it is not wrapped, patched, watched or made anew."""
    own = getattr(type(linear), "forward", None) is not nn.Linear.forward or "forward" in linear.__dict__
    return not own and not has_hooks(linear)
