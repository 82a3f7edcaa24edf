"""Take back what was done to a module."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["as_it_was_on_error"]


@contextmanager
def as_it_was_on_error(net: nn.Module) -> Iterator[None]:
    """Leave a module as it was if something goes wrong: submodules, parameters, buffers, hooks, modes.

    Values that were written in place are not taken back.
    """
    flags = [(p, p.requires_grad) for p in net.parameters()]
    before = [(module, type(module), dict(vars(module)), _contents(module)) for module in net.modules()]
    try:
        yield
    except BaseException:
        for module, kind, state, contents in before:
            module.__class__ = kind  # a parametrisation changes it
            vars(module).clear()
            vars(module).update(state)
            for name, inner in contents.items():
                _refill(state[name], inner)
        for parameter, flag in flags:
            parameter.requires_grad = flag  # not by the method, which lazy parameters refuse
        raise


def _contents(module: nn.Module) -> dict[str, Any]:
    """Copies of the containers that a module holds. The containers themselves stay: handles of hooks know them."""
    return {name: copy.copy(value) for name, value in vars(module).items() if isinstance(value, dict | list | set)}


def _refill(container: Any, contents: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(contents)
    else:
        container.update(contents)
