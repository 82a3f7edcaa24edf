"""What we use of torch that has no public name, in one place: the first to look at when torch changes."""

# ruff: noqa: N811, PLC2701 - private names are the purpose of this file
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import _VF as kernels
from torch import Tensor
from torch import _sample_dirichlet as sample_dirichlet
from torch.nn.modules.batchnorm import _BatchNorm as BatchNormBase
from torch.nn.modules.batchnorm import _NormBase as NormBase
from torch.nn.modules.conv import _ConvNd as ConvBase
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

_functorch: Any = torch._C._functorch  # its stubs lack half of it

__all__ = [
    "BatchNormBase",
    "ConvBase",
    "NormBase",
    "is_mapped",
    "kernels",
    "sample_dirichlet",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_unflatten",
    "unmapped",
    "vmap_without_fallback",
]


def is_mapped(*tensors: Tensor | None) -> bool:
    """Whether any of the tensors carries a hidden batch dimension of ``torch.vmap``.

    Fused kernels and conversions to Python have no batching rule; code that uses them asks first.
    """
    return any(t is not None and _functorch.is_batchedtensor(t) for t in tensors)


def unmapped(tensor: Tensor) -> Tensor:
    """The tensor with all hidden batch dimensions of ``torch.vmap`` visible."""
    while _functorch.is_batchedtensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


@contextmanager
def vmap_without_fallback() -> Iterator[None]:
    """Make ``torch.vmap`` refuse an operator without batching rule, where it would loop over contexts in silence."""
    if torch.compiler.is_compiling() or not _functorch._is_vmap_fallback_enabled():
        yield
        return
    _functorch._set_vmap_fallback_enabled(False)
    try:
        yield
    finally:
        _functorch._set_vmap_fallback_enabled(True)
