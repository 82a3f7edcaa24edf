"""Take back what was done to a module."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["as_it_was_on_error"]


@contextmanager
def as_it_was_on_error(net: nn.Module) -> Iterator[None]:
    """Leave a module as it was if something goes wrong: submodules, parameters, buffers, hooks, modes.

    Values that were written in place are not taken back.
    """
    flags = [(p, p.requires_grad) for p in net.parameters()]
    before = [
        (module, {k: copy.copy(v) if isinstance(v, dict | list | set) else v for k, v in vars(module).items()})
        for module in net.modules()
    ]
    try:
        yield
    except BaseException:
        for module, state in before:
            vars(module).clear()
            vars(module).update(state)
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        raise
