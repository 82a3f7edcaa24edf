"""Generated weights that exist only while an operation reads them."""

import re
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hyperdnn._torch import has_transform, tree_flatten, tree_leaves, tree_unflatten
from hyperdnn.errors import BatchingError, ConfigError

__all__ = ["Make", "StreamedWeight"]

Make = Callable[[Tensor, Sequence[int]], Sequence[Tensor]]
"""Features ``(*contexts, [slots,] hidden)`` and positions in the layout -> these tensors ``(*contexts, *shape)``."""

_TELL = {"shape", "dtype", "device", "layout", "ndim", "requires_grad", "is_leaf", "grad_fn", "is_cuda", "is_cpu"}
_TELL |= {"is_meta", "is_sparse", "is_nested", "is_quantized", "is_mps", "is_xpu", "is_mkldnn"}
_TELL |= {"size", "dim", "numel", "nelement", "is_floating_point", "is_complex", "__len__", "element_size", "stride"}
_TELL |= {"is_contiguous", "is_same_size", "storage_offset"}
"""Attributes and methods that ask about a tensor, not for its numbers."""

_WRITES = re.compile(r"(?!__).*[^_]_|__setitem__|.*\.__set__|__i(?!n|ter).*__")
"""Functions that write to what they are given first, as torch names them: ``add_``, ``__ior__``."""


@final
class StreamedWeight(Tensor):
    """Stands for one tensor of a hypernet's output, which is made when an operation reads it and then forgotten.

    The operation runs under checkpointing: for its backward the tensor is made once more. So a target's weights never
    exist all at once, at the price of generating them twice. Tensors that one operation reads together (weight and
    bias) are made together. An index into the context dimensions is again a streamed weight.

    Args:
        make: makes tensors from features.
        features: of all slots.
        position: which tensor of the layout.
        shape: of the tensor, with context dimensions.
        contexts: how many of its dimensions are context dimensions.
    """

    make: Make
    features: Tensor
    position: int
    contexts: int

    @staticmethod
    def __new__(
        cls, make: Make, features: Tensor, position: int, shape: Sequence[int], contexts: int
    ) -> "StreamedWeight":
        """A tensor of that shape without memory."""
        made: StreamedWeight = Tensor._make_wrapper_subclass(
            cls,
            torch.Size(shape),
            dtype=features.dtype,
            device=features.device,
            requires_grad=torch.is_grad_enabled(),
        )
        made.make, made.features, made.position, made.contexts = make, features, position, contexts
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _name(func).removesuffix(".__get__") in _TELL:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if func is Tensor.__getitem__ and isinstance(args[0], cls):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if len(index) <= args[0].contexts and all(type(at) is int for at in index):
                return args[0]._of(index)
        return _run(func, args, kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own signature lacks the defaults it calls with
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise BatchingError(
            f"{function} was given a streamed weight below the level where it is made: by torch.vmap or a custom "
            'autograd function. Use mode="loop" for many contexts, or a Hypernet without stream=True.'
        )

    def _of(self, index: tuple[int, ...]) -> "StreamedWeight":
        shape, left = self.shape[len(index) :], self.contexts - len(index)
        return StreamedWeight(self.make, self.features[index], self.position, shape, left)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"StreamedWeight({tuple(self.shape)})"


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """Call a function of torch with the tensors that its streamed arguments stand for.

    Raises:
        ConfigError: if it writes to one of them.
    """
    leaves, spec = tree_flatten((args, kwargs))
    streamed = [leaf for leaf in leaves if isinstance(leaf, StreamedWeight)]

    def call() -> Any:
        made = _made(streamed)
        args, kwargs = tree_unflatten([made.get(id(leaf), leaf) for leaf in leaves], spec)
        return func(*args, **kwargs)

    written = _written(func, args, kwargs)
    if any(isinstance(leaf, StreamedWeight) for leaf in tree_leaves(written)):
        raise ConfigError(
            f"{_name(func)}: a streamed weight is made anew for every operation, and what is written to it is lost. "
            "Compute a new tensor from it, or use a Hypernet without stream=True."
        )
    # What writes to a tensor must not happen twice; transforms of functions know no checkpoints.
    once = written or has_transform() or not torch.is_grad_enabled()
    return call() if once else checkpoint(call, use_reentrant=False)


def _name(func: Any) -> str:
    name: str = getattr(func, "__name__", "")
    return f"{getattr(func.__self__, '__name__', '')}.{name}" if name in {"__get__", "__set__"} else name


def _written(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """The arguments that a function writes to."""
    first = (*args, *kwargs.values())[:1] if _WRITES.fullmatch(_name(func)) else ()
    return [*first, *([kwargs["out"]] if kwargs.get("out") is not None else [])]


def _made(streamed: Sequence[StreamedWeight]) -> dict[int, Tensor]:
    by_source: dict[tuple[int, int], list[StreamedWeight]] = {}
    for weight in streamed:
        by_source.setdefault((id(weight.make), id(weight.features)), []).append(weight)
    made: dict[int, Tensor] = {}
    for weights in by_source.values():
        first = weights[0]
        tensors = first.make(first.features, [weight.position for weight in weights])
        made |= {id(weight): tensor for weight, tensor in zip(weights, tensors, strict=True)}
    return made
