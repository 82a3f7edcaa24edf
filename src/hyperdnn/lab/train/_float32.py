"""Hypernets that compute in float32 while everything else is in mixed precision."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hyperdnn._torch import tree_map

__all__ = ["generating_in_float32"]


@contextmanager
def generating_in_float32(hypernets: Iterable[nn.Module], device: torch.device) -> Iterator[None]:
    """Inside an autocast, some modules compute in float32 all the same, and what they are given is float32.

    A rounding error of a generator is an error of every weight that it makes, and is there for every sample.

    Args:
        hypernets: the modules.
        device: where they are.
    """
    entered: list[ExitStack] = []

    def enter(module: nn.Module, args: Any, kwargs: Any) -> Any:
        given = tree_map(_widened, (args, kwargs))
        entered.append(ExitStack())
        entered[-1].enter_context(torch.autocast(device.type, enabled=False))
        return given

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        entered.pop().close()

    hooks = []
    for hypernet in hypernets:
        hooks.append(hypernet.register_forward_pre_hook(enter, with_kwargs=True))
        hooks.append(hypernet.register_forward_hook(leave, always_call=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _widened(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in {torch.bfloat16, torch.float16}:
        return value.float()
    return value
