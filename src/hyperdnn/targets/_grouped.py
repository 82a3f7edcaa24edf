"""A mixed batch: each sample names its context."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hyperdnn._torch import tree_flatten, tree_leaves, tree_map, tree_unflatten
from hyperdnn.errors import BatchingError, ContextError
from hyperdnn.targets._call import Inputs
from hyperdnn.typing import Weights

__all__ = ["call_grouped"]


def call_grouped(
    batched: Callable[[Weights, Inputs], Any], weights: Weights, inputs: Inputs, index: Tensor | None
) -> Any:
    """Sort a mixed batch by context, run equally large groups together, and restore the order.

    The module sees each group as one batch, as in a loop over contexts: groups are never padded, since that would
    change what batch normalisation sees. So there is one mapped call for each distinct group size.

    Args:
        batched: runs contexts ``(k, ...)`` on data ``(k, n, ...)``.
        weights: ``(K, ...)``.
        inputs: ``(B, ...)``.
        index: ``(B,)``, the context of each sample.

    Raises:
        ContextError: if the index is not one integer for each sample, or beyond the contexts.
        BatchingError: if the module returns something without its batch in front.
    """
    contexts = next(iter(weights.values())).shape[0]
    if not isinstance(index, Tensor):
        raise ContextError("grouped needs index=, one integer for each sample.")
    _check(inputs, index, contexts)
    if len(index) == 0:
        return _of_nothing(batched, weights, inputs)
    order = torch.argsort(index, stable=True)
    counts = torch.bincount(index, minlength=contexts)
    starts = counts.cumsum(0) - counts
    leaves: list[list[Tensor]] = []
    positions: list[Tensor] = []
    spec: Any = None
    for size in torch.unique(counts).tolist():
        if size == 0:
            continue
        chosen = (counts == size).nonzero().squeeze(1)
        samples = order[starts[chosen].unsqueeze(1) + torch.arange(size, device=index.device)]
        output = batched(
            {name: w[chosen] for name, w in weights.items()},
            tree_map(lambda leaf, at=samples: leaf[at] if isinstance(leaf, Tensor) else leaf, inputs),
        )
        flat, spec = tree_flatten(output)
        leaves.append([_rows(leaf, len(chosen), size) for leaf in flat])
        positions.append(samples.flatten())
    restore = torch.argsort(torch.cat(positions))
    joined = [
        torch.cat(parts)[restore] if isinstance(parts[0], Tensor) else parts[0] for parts in zip(*leaves, strict=True)
    ]
    return tree_unflatten(joined, spec)


def _rows(leaf: Any, contexts: int, size: int) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    if leaf.ndim < 2 or leaf.shape[1] != size:
        raise BatchingError(
            f"grouped: for {size} samples the module returned {tuple(leaf.shape[1:])}: expected its batch in front."
        )
    return leaf.flatten(0, 1)


def _of_nothing(batched: Callable[[Weights, Inputs], Any], weights: Weights, inputs: Inputs) -> Any:
    """No sample at all: the shape comes from a call without contexts, on groups of one."""
    single = tree_map(lambda leaf: leaf.unsqueeze(1) if isinstance(leaf, Tensor) else leaf, inputs)
    output = batched({name: w[:0] for name, w in weights.items()}, single)
    return tree_map(lambda leaf: leaf.flatten(0, 1) if isinstance(leaf, Tensor) else leaf, output)


def _check(inputs: Inputs, index: Tensor, contexts: int) -> None:
    if index.ndim != 1 or index.is_floating_point() or index.dtype == torch.bool:
        raise ContextError(f"index: expected integers (B,), got {index.dtype} {tuple(index.shape)}.")
    for leaf in tree_leaves(inputs):
        if isinstance(leaf, Tensor) and (leaf.ndim == 0 or leaf.shape[0] != len(index)):
            raise ContextError(f"index names the contexts of {len(index)} samples, but x is {tuple(leaf.shape)}.")
    if len(index) and not (int(index.min()) >= 0 and int(index.max()) < contexts):
        beyond = index[(index < 0) | (index >= contexts)][0].item()
        raise ContextError(f"index {beyond}: there are weights for contexts 0 to {contexts - 1}.")
