"""A mixed batch: each sample names its context."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from hyperdnn._torch import tree_flatten, tree_leaves, tree_map, tree_unflatten
from hyperdnn.errors import BatchingError, ContextError
from hyperdnn.targets._call import Inputs, check_leaves
from hyperdnn.typing import Weights

__all__ = ["call_grouped"]


def call_grouped(
    batched: Callable[[Weights, Inputs], Any],
    weights: Weights,
    inputs: Inputs,
    index: Tensor | None,
    *,
    together: bool = False,
) -> Any:
    """Sort a mixed batch by context, run equally large groups together, and restore the order.

    The module sees each group as one batch, as in a loop over contexts: groups are never padded, since that would
    change what batch normalisation sees. So there is one mapped call for each distinct group size.

    Args:
        batched: runs contexts ``(k, ...)`` on data ``(k, n, ...)``.
        weights: ``(K, ...)``.
        inputs: ``(B, ...)``.
        index: ``(B,)``, the context of each sample.
        together: everything must be in a single call, since it pools statistics; then groups of unequal size run sample
            by sample, each with its own copy of its context's weights.

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
    leaves: list[list[Any]] = []
    positions: list[Tensor] = []
    spec: Any = None
    for chosen, samples in _groups(index, contexts, together=together):
        output = batched(
            {name: w[chosen] for name, w in weights.items()},
            tree_map(lambda leaf, at=samples: leaf[at] if isinstance(leaf, Tensor) else leaf, inputs),
        )
        flat, spec = tree_flatten(output)
        leaves.append([_rows(leaf, samples.shape[1]) for leaf in flat])
        positions.append(samples.flatten())
    restore = torch.argsort(torch.cat(positions))
    joined = [
        torch.cat(parts)[restore] if isinstance(parts[0], Tensor) else parts[0] for parts in zip(*leaves, strict=True)
    ]
    return tree_unflatten(joined, spec)


def _groups(index: Tensor, contexts: int, *, together: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Contexts ``(k,)`` with equally many samples, and these samples ``(k, n)``; contexts without one are left out."""
    counts = torch.bincount(index, minlength=contexts)
    sizes = [size for size in torch.unique(counts).tolist() if size]
    if together and len(sizes) > 1:
        yield index, torch.arange(len(index), device=index.device).unsqueeze(1)
        return
    order = torch.argsort(index, stable=True)
    starts = counts.cumsum(0) - counts
    for size in sizes:
        chosen = (counts == size).nonzero().squeeze(1)
        yield chosen, order[starts[chosen].unsqueeze(1) + torch.arange(size, device=index.device)]


def _rows(leaf: Any, size: int) -> Any:
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
    leaves = tree_leaves(inputs)
    check_leaves(leaves, "passed")
    for leaf in leaves:
        if isinstance(leaf, Tensor) and (leaf.ndim == 0 or leaf.shape[0] != len(index)):
            raise ContextError(f"index names the contexts of {len(index)} samples, but x is {tuple(leaf.shape)}.")
    if len(index) and not (int(index.min()) >= 0 and int(index.max()) < contexts):
        beyond = index[(index < 0) | (index >= contexts)][0].item()
        raise ContextError(f"index {beyond}: there are weights for contexts 0 to {contexts - 1}.")
