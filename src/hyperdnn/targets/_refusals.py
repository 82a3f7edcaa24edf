"""What ``torch.vmap`` cannot do, said with the operator and the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hyperdnn._torch import is_mapped
from hyperdnn.errors import BatchingError

__all__ = ["buffers_intact", "explained"]

_REMEDY = 'Use mode="loop", or rewrite that part of the target.'
_OPERATOR = re.compile(r"aten::\w+(\.\w+)?")
_SHARED = "the target writes values that differ between contexts into a tensor that they share (a buffer?)"
_REASONS = (
    (
        re.compile(r"data-dependent control flow|\.item\(\)"),
        "the target decides on the value of a tensor, which differs between contexts",
    ),
    (
        re.compile(r"dynamic shape"),
        "the target makes tensors whose size depends on values, which differ between contexts",
    ),
    (re.compile(r"Cannot access data pointer"), "the target leaves torch (numpy?), where contexts cannot be followed"),
    (re.compile(r"vmap: inplace arithmetic|vmap: index_|doesn't match the broadcast shape"), _SHARED),
)


@contextmanager
def explained() -> Iterator[None]:
    """Turn vmap's refusals into a `BatchingError`; errors of the module itself stay as they are."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        operator = _OPERATOR.search(text)
        if operator and ("Batching rule not implemented" in text or "hit the vmap fallback" in text):
            raise BatchingError(f"{operator[0]} has no batching rule. {_REMEDY}") from error
        for pattern, reason in _REASONS:
            if pattern.search(text):
                raise BatchingError(f"{reason}. {_REMEDY}") from error
        if "vmap" in text and "random" not in text:  # forbidden randomness is the caller's own wish
            raise BatchingError(
                f"the target cannot be mapped over contexts ({text.splitlines()[0]}). {_REMEDY}"
            ) from error
        raise


@contextmanager
def buffers_intact(module: nn.Module) -> Iterator[None]:
    """Keep a module that assigns to its buffers from holding on to a tensor that exists only inside the mapped call.

    Raises:
        BatchingError: naming the buffer, which gets its old value back.
    """
    before = [(m, leaf, buffer) for m in module.modules() for leaf, buffer in m._buffers.items() if buffer is not None]
    try:
        yield
    finally:
        escaped = [(m, leaf, old) for m, leaf, old in before if is_mapped(m._buffers.get(leaf))]
        for m, leaf, old in escaped:
            m._buffers[leaf] = old
    if escaped and not torch.compiler.is_compiling():
        raise BatchingError(f"'{escaped[0][1]}': {_SHARED}. {_REMEDY}")
