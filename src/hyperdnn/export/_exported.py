"""What was written, read back and compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from hyperdnn._torch import tree_leaves
from hyperdnn.errors import ExportError

__all__ = ["Difference", "Exported", "difference"]

TOLERANCES: Final = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-3}
"""Relative to the largest output: another order of summation costs some hundred roundings, a wrong weight far more."""


@final
@dataclass(frozen=True)
class Difference:
    """How far outputs are from those expected.

    Args:
        largest: difference of two numbers.
        limit: what it may be, of which numbers of other tensors may have a lower one.
        outputs: how many numbers were compared.
        within: whether every number is within its limit.
    """

    largest: float
    limit: float
    outputs: int
    within: bool

    def __str__(self) -> str:
        return f"largest difference {self.largest:.2g} in {self.outputs:,} outputs, at most {self.limit:.2g} allowed"


@final
@dataclass(frozen=True)
class Exported:
    """A file that holds a network, and computes what the network computes.

    Args:
        path: where it lies.
        bytes: its size, with that of files beside it.
        numbers: parameters and buffers of the network.
        difference: of what the file computes from what the network does, on the example.
        run: computes by what was read back from the file; inputs are passed as to the network.
    """

    path: Path
    bytes: int
    numbers: int
    difference: Difference
    run: Callable[..., Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.numbers:,} numbers, {self.bytes:,} bytes; read back: {self.difference}"


def difference(found: Any, expected: Any) -> Difference:
    """Compare all tensors of two outputs, in order; their containers need not be the same.

    Raises:
        ExportError: if their number, shapes or kinds differ.
    """
    pairs = list(_pairs(_tensors(found), _tensors(expected)))
    apart = [_apart(one, other) for one, other in pairs]
    limits = [_limit(other) for _, other in pairs]
    return Difference(
        largest=max(apart, default=0.0),
        limit=max(limits, default=0.0),
        outputs=sum(other.numel() for _, other in pairs),
        within=all(one <= limit for one, limit in zip(apart, limits, strict=True)),
    )


def _tensors(outputs: Any) -> list[Tensor]:
    return [leaf.detach() for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]


def _pairs(found: list[Tensor], expected: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    if len(found) != len(expected):
        raise ExportError(f"the network returns {len(expected)} tensors, what was read back {len(found)}.")
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        if one.shape != other.shape or one.is_floating_point() != other.is_floating_point():
            raise ExportError(
                f"output {place} is {_kind(other)} of the network and {_kind(one)} of what was read back: something "
                "in its forward has been fixed to the example, such as a size."
            )
        yield one, other


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference; equal infinities and nan in the same places are none."""
    one, other = one.cpu().double(), other.cpu().double()
    same = (one == other) | (one.isnan() & other.isnan())
    apart = torch.where(same, 0.0, (one - other).abs()).nan_to_num(nan=torch.inf, posinf=torch.inf)
    return apart.max().item() if apart.numel() else 0.0


def _limit(expected: Tensor) -> float:
    if not expected.is_floating_point():
        return 0.0
    finite = expected[expected.isfinite()].abs()
    size = finite.max().item() if finite.numel() else 0.0
    return TOLERANCES.get(expected.dtype, 0.0) * size + torch.finfo(expected.dtype).eps
