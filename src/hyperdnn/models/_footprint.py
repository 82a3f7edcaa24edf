"""How much memory one context takes, and how many contexts fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from hyperdnn._torch import tree_leaves
from hyperdnn.models._hyperdnn import HyperDNN

__all__ = ["available_memory", "contexts_that_fit", "footprint"]

_SHARE = 0.5
"""Of the free memory that contexts may take: the rest is for the hypernet's own gradients, and for others."""

_SURELY = 50
"""Copies of its weights that hardly any context needs for all its activations and gradients."""


def contexts_that_fit(model: HyperDNN, number: int, run_one: Callable[[], Any], device: torch.device) -> int:
    """How many of the contexts fit into the memory that is free; at least one.

    Args:
        model: that they are for.
        number: contexts that there are.
        run_one: runs one of them.
        device: where.
    """
    free = _SHARE * available_memory(device)
    weights = sum(spec.numel * spec.dtype.itemsize for spec in model.target.layout)
    if number * _SURELY * weights <= free:
        return max(number, 1)
    return max(1, int(free // max(footprint(model, run_one) + 2 * weights, 1)))


def footprint(model: nn.Module, run_one: Callable[[], Any]) -> int:
    """Bytes that a context holds between its forward and its backward, with its results.

    Args:
        model: whose parameters all contexts share.
        run_one: runs one context.
    """
    shared = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in shared:
            kept[storage.data_ptr()] = storage.nbytes()  # views of one memory count once
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        output = run_one()
    results = sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
    return sum(kept.values()) + 2 * results


def available_memory(device: torch.device) -> int:
    """Bytes that can still be had on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):  # another system: a machine of today
        return 8 << 30
