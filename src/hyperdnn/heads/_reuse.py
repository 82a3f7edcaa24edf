"""Memory for results that every training step makes anew."""

import math
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn._torch import is_intercepted, storage_is_shared

__all__ = ["Reuse"]

_WORTH_IT = 1 << 18
"""Numbers from which on the system hands out fresh pages for every tensor, and faults on each."""


@final
class Reuse:
    """Hands out memory that it handed out before, once nobody holds it any more.

    A fresh tensor of many megabytes costs a page fault for every four kilobytes, as much as the product that fills it.
    On devices with an allocator of their own, which keeps its pages, plain tensors are handed out. Whoever keeps a
    tensor, or any view of it, keeps it for good: nothing is overwritten that can still be read.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def empty(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor with any content, of the type and on the device of ``like``.

        Args:
            name: what it is for; one tensor is held for each name.
            shape: its shape.
            like: its model.
        """
        numel = math.prod(shape)
        # What is made in inference mode cannot be written outside of it.
        plain = like.device.type != "cpu" or numel < _WORTH_IT or torch.is_inference_mode_enabled() or is_intercepted()
        if plain:
            return like.new_empty(shape)
        held = self._held.pop(name, None)  # popped, so that no other thread finds it
        if held is None or not _fits(held, numel, like.dtype) or storage_is_shared(held):
            held = like.new_empty(numel)
        # Another tensor on the same memory: autograd takes a gradient that nobody else holds without copying it.
        given = held.view(shape)
        self._held[name] = held
        return given

    def clear(self) -> None:
        """Give everything back to the system."""
        self._held.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Reuse":
        return Reuse()

    def __reduce__(self) -> tuple[type["Reuse"], tuple[()]]:
        return Reuse, ()


def _fits(held: Tensor, numel: int, dtype: torch.dtype) -> bool:
    """Whether a tensor is of that size and type, and nobody has emptied its memory."""
    whole = held.untyped_storage().nbytes() == numel * held.element_size()
    return whole and held.shape == (numel,) and held.dtype == dtype
