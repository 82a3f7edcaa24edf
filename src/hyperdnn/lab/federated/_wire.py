"""Weights as Flower's arrays, bit by bit, and back once they are known to be what was expected."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hyperdnn.errors import LayoutError
from hyperdnn.lab.federated._flower import flower

__all__ = ["pack", "pack_numbers", "unpack", "unpack_numbers"]

_HEADER = 4096  # bytes that numpy's format may have before the numbers


def pack(tensors: Mapping[str, Tensor]) -> Any:
    """Tensors as an array record; numpy lacks bfloat16, which float32 holds without loss."""
    arrays = {name: _travelling(t.detach().cpu()).contiguous().numpy() for name, t in tensors.items()}
    app = flower()
    return app.ArrayRecord({name: app.Array(array) for name, array in arrays.items()})


def unpack(record: Any, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors again, on the CPU. Sizes are looked at before anything is read, and nothing is unpickled.

    Args:
        record: from somebody who need not be trusted.
        like: what names, shapes and types must be those of.

    Raises:
        LayoutError: they are not, with the first name where they differ.
    """
    if not isinstance(record, flower().ArrayRecord):
        raise LayoutError(f"expected arrays, got {type(record).__name__}.")
    if odd := sorted(record.keys() ^ like.keys()):
        raise LayoutError(f"'{odd[0]}' {'is unknown' if odd[0] in record else 'is missing'}.")
    return {name: _unpack(name, record[name], tensor) for name, tensor in like.items()}


def pack_numbers(numbers: Mapping[str, float]) -> Any:
    """Numbers by name as a metric record."""
    return flower().MetricRecord({name: float(number) for name, number in numbers.items()})


def unpack_numbers(record: Any) -> dict[str, float]:
    """The numbers again.

    Raises:
        LayoutError: one of them is none.
    """
    if not isinstance(record, flower().MetricRecord):
        raise LayoutError(f"expected numbers, got {type(record).__name__}.")
    for name, number in record.items():
        if isinstance(number, list):
            raise LayoutError(f"'{name}': expected a number, got {len(number)}.")
    return {name: float(number) for name, number in record.items()}


def _unpack(name: str, array: Any, like: Tensor) -> Tensor:
    wanted = torch.empty(0, dtype=_travelling(torch.empty(0, dtype=like.dtype)).dtype).numpy().dtype
    expected = f"{tuple(like.shape)} of {wanted}"
    size = len(array.data) - like.numel() * wanted.itemsize
    if not 0 <= size <= _HEADER:
        raise LayoutError(f"'{name}': expected {expected}, got {len(array.data)} bytes.")
    try:
        found = array.numpy()
    except Exception as error:  # numpy parses what a stranger wrote, and fails in as many ways
        raise LayoutError(f"'{name}' is not an array: {error}") from error
    if found.dtype != wanted or found.shape != tuple(like.shape):
        raise LayoutError(f"'{name}': expected {expected}, got {found.shape} of {found.dtype}.")
    return torch.from_numpy(found.copy()).to(like.dtype)


def _travelling(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor
