"""What we use of torch that has no public name, in one place: the first to look at when torch changes."""

# ruff: noqa: N811, PLC2701 - private names are the purpose of this file
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import _VF as kernels
from torch import Tensor, nn
from torch import _sample_dirichlet as sample_dirichlet
from torch.autograd import forward_ad
from torch.nn.modules.batchnorm import _BatchNorm as BatchNormBase
from torch.nn.modules.batchnorm import _NormBase as NormBase
from torch.nn.modules.conv import _ConvNd as ConvBase
from torch.nn.utils.parametrizations import _WeightNorm as WeightNormBase
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

_functorch: Any = torch._C._functorch  # its stubs lack half of it
_storage_uses: Any = torch._C._storage_Use_Count

__all__ = [
    "BatchNormBase",
    "ConvBase",
    "NormBase",
    "WeightNormBase",
    "accumulates",
    "after_backward",
    "current_backward",
    "fused_adam_",
    "has_hooks",
    "has_transform",
    "is_intercepted",
    "is_mapped",
    "is_transformed",
    "kernels",
    "sample_dirichlet",
    "storage_is_shared",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_unflatten",
    "unmapped",
    "vmap_without_fallback",
]


def accumulates(parameter: Tensor) -> bool:
    """Whether the backward pass that is running puts a leaf's gradient into ``.grad``, as ``backward()`` does."""
    try:
        return torch._C._will_engine_execute_node(torch.autograd.graph.get_gradient_edge(parameter).node)
    except RuntimeError:  # asked about a leaf that torch.autograd.grad was asked for
        return False


def after_backward(function: Callable[[], None]) -> None:
    """Call a function when the backward pass that is running has ended; for hooks, which run inside of one."""
    torch.autograd.Variable._execution_engine.queue_callback(function)


def current_backward() -> int:
    """A number of its own for each backward pass that is running."""
    return torch._C._current_graph_task_id()


def has_hooks(watched: Tensor | nn.Module) -> bool:
    """Whether anybody's functions are called with a tensor's gradient, or with what passes through a layer."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(watched, kind, None) for kind in (*kinds, "_post_accumulate_grad_hooks"))


def has_transform() -> bool:
    """Whether a ``torch.func`` transform or forward-mode differentiation looks on."""
    if torch.compiler.is_compiling():
        return False
    return _functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def is_intercepted() -> bool:
    """Whether somebody follows every operation, to trace or to count, and may keep what they saw."""
    return bool(torch._C._len_torch_dispatch_stack())


def is_mapped(*tensors: Tensor | None) -> bool:
    """Whether any of the tensors carries a hidden batch dimension of ``torch.vmap``.

    Fused kernels and conversions to Python have no batching rule; code that uses them asks first.
    """
    return any(t is not None and _is_batched(t) for t in tensors)


def _is_batched(tensor: Tensor) -> bool:
    # In vmap(grad(...)) the dimension is hidden below the gradient's wrapper, which the compiler cannot be asked about.
    while not torch.compiler.is_compiling() and _functorch.is_gradtrackingtensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return bool(_functorch.is_batchedtensor(tensor))


def is_transformed() -> bool:
    """Whether a ``torch.func`` transform, forward-mode differentiation or the compiler looks on.

    They want plain operations, where a hand-written backward would serve reverse mode only.
    """
    return torch.compiler.is_compiling() or has_transform()


def storage_is_shared(tensor: Tensor) -> bool:
    """Whether anything else holds the tensor's memory: a view, a gradient, an array, the storage itself, a process."""
    return _holders(tensor) != _ALONE or bool(tensor.is_shared())  # type: ignore[no-untyped-call]


def _holders(tensor: Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return _storage_uses(storage._cdata), sys.getrefcount(storage)


_ALONE = _holders(torch.empty(1, device="cpu"))


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


def fused_adam_(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    exp_avgs: Sequence[Tensor],
    exp_avg_sqs: Sequence[Tensor],
    steps: Sequence[Tensor],
    *,
    lr: float | Tensor,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float,
) -> None:
    """One step of torch's fused Adam, whose public form looks up state and groups first. Steps are counted already."""
    torch._fused_adam_(
        list(parameters),
        list(gradients),
        list(exp_avgs),
        list(exp_avg_sqs),
        [],
        list(steps),
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=weight_decay,
        eps=eps,
        amsgrad=False,
        maximize=False,
    )
    torch.autograd.graph.increment_version(parameters)  # which torch forgets
