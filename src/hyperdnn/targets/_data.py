"""Which sample meets which context: the checks, and the reshaping that two of the verbs need."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hyperdnn._torch import tree_leaves, tree_map
from hyperdnn.errors import BatchingError, ContextError
from hyperdnn.targets._call import Dims, Inputs, check_leaves

__all__ = [
    "DataDims",
    "add_batch_of_one",
    "check_data",
    "data_dims_for",
    "dims_of_many",
    "remove_batch_of_one",
]

DataDims: TypeAlias = int | Sequence[int | None] | None
"""0 where the data has a context dimension in front, None where all contexts share it; one entry for each dimension."""

_ADVICE = {
    "batched": "use paired with one context for each sample, grouped with an index, or data_dims=None for shared data.",
    "paired": "paired takes one context for each sample; use grouped with an index, or batched.",
}


def dims_of_many(contexts: torch.Size, data_dims: DataDims, inputs: Inputs, verb: str) -> Dims:
    """`data_dims_for` many contexts, whose data was checked.

    Raises:
        BatchingError: for a single context, or as `data_dims_for`.
        ContextError: as `check_data`.
    """
    if not contexts:
        raise BatchingError("weights are of a single context: call target(weights, x).")
    dims = data_dims_for(data_dims, contexts)
    check_data(inputs, dims, contexts, verb)
    return dims


def data_dims_for(data_dims: DataDims, contexts: torch.Size) -> Dims:
    """One entry for each context dimension: 0, or None where the data does not have it.

    Raises:
        BatchingError: if there are more or fewer entries, or another value.
    """
    if not (data_dims is None or isinstance(data_dims, int | Sequence)):
        raise BatchingError(f"data_dims={data_dims!r}: expected 0, None, or one of them for each context dimension.")
    dims = tuple(data_dims) if isinstance(data_dims, Sequence) else (data_dims,) * len(contexts)
    if len(dims) != len(contexts):
        raise BatchingError(
            f"data_dims={data_dims}: expected one entry for each of the context dimensions {tuple(contexts)}."
        )
    if any(dim not in (0, None) for dim in dims):
        raise BatchingError(
            f"data_dims={data_dims}: expected 0 (the data has this context dimension, in front) or None (it has not)."
        )
    return dims


def check_data(inputs: Inputs, dims: Dims, contexts: torch.Size, verb: str) -> None:
    """Verify that all data begins with the context dimensions it should have.

    Raises:
        ContextError: with advice which verb to use instead.
    """
    expected = tuple(size for size, dim in zip(contexts, dims, strict=True) if dim is not None)
    leaves = tree_leaves(inputs)
    check_leaves(leaves, "passed")
    for leaf in leaves:
        if isinstance(leaf, Tensor) and tuple(leaf.shape[: len(expected)]) != expected:
            rows = contexts[0] if len(contexts) == 1 else tuple(contexts)
            raise ContextError(f"context has {rows} rows but x has {_shown(leaf, len(expected))}; {_ADVICE[verb]}")


def add_batch_of_one(inputs: Inputs, dims: Dims) -> Inputs:
    """Show the module a batch of one: a new dimension behind the context dimensions of the data."""
    where = sum(dim is not None for dim in dims)
    out: Inputs = tree_map(lambda leaf: leaf.unsqueeze(where) if isinstance(leaf, Tensor) else leaf, inputs)
    return out


def remove_batch_of_one(output: Any, contexts: torch.Size) -> Any:
    """Take that dimension away from the output.

    Raises:
        BatchingError: if an output does not have it in front.
    """
    where = len(contexts)

    def remove(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if leaf.ndim <= where or leaf.shape[where] != 1:
            raise BatchingError(
                f"paired: for a batch of one the module returned {tuple(leaf.shape[where:])}, not a batch of one. "
                "The module must have its batch in front (batch_first=True); or use batched."
            )
        return leaf.squeeze(where)

    return tree_map(remove, output)


def _shown(leaf: Tensor, count: int) -> str:
    return str(leaf.shape[0]) if count == 1 and leaf.ndim else str(tuple(leaf.shape))
