"""Rows that a tensor gains, without moving the ones it has."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError

__all__ = ["Extension", "Grown", "extend_rows_", "kept_rows", "longer_runs", "with_rows"]


class Extension(NamedTuple):
    """``added`` new rows behind the rows from ``start`` to ``stop``, and drawn like them. Counted in old rows."""

    start: int
    stop: int
    added: int


class Grown(NamedTuple):
    """A parameter that was replaced by one with more rows.

    Args:
        old: the parameter as it was.
        new: what stands in its place.
        kept: where its rows are now: ``new[kept] == old``, bit by bit.
    """

    old: nn.Parameter
    new: nn.Parameter
    kept: Tensor


def longer_runs(before: Sequence[int], after: Sequence[int]) -> tuple[Extension, ...]:
    """Extensions that make runs of rows longer, one after the other; runs of the same length need none."""
    extensions, start = [], 0
    for old, new in zip(before, after, strict=True):
        if new > old:
            extensions.append(Extension(start, start + old, new - old))
        start += old
    return tuple(extensions)


def with_rows(tensor: Tensor, extensions: Sequence[Extension]) -> Tensor:
    """The tensor with new rows, normally distributed with mean and deviation of the run that they extend.

    Args:
        tensor: ``(rows, ...)``, of real numbers.
        extensions: in the order of their rows.
    """
    pieces, done = [], 0
    for start, stop, added in extensions:
        std, mean = torch.std_mean(tensor[start:stop], correction=0)
        fresh = torch.randn(added, *tensor.shape[1:], device=tensor.device, dtype=tensor.dtype)
        pieces += [tensor[done:stop], fresh * std + mean]
        done = stop
    return torch.cat([*pieces, tensor[done:]])


def kept_rows(rows: int, extensions: Sequence[Extension], device: torch.device | None = None) -> Tensor:
    """Where each of the old rows is afterwards: ``(rows,)``."""
    old = torch.arange(rows, device=device)
    return old + sum((added * (old >= stop) for _, stop, added in extensions), torch.zeros_like(old))


def extend_rows_(owner: nn.Module, extensions: Sequence[Extension]) -> list[Grown]:
    """Replace each of a module's own parameters by one with new rows (see `with_rows`).

    Gradients that wait for the optimiser are dropped.

    Raises:
        ConfigError: if a parameter was reparametrised: what the module computes with is then not what it holds.
    """
    if hasattr(owner, "parametrizations"):
        raise ConfigError(f"{type(owner).__name__} is reparametrised and cannot get more rows: build a larger one.")
    grown = []
    for name, old in list(owner.named_parameters(recurse=False)):
        new = nn.Parameter(with_rows(old.detach(), extensions), requires_grad=old.requires_grad)
        vars(new).update(vars(old))  # what others noted on it, such as how its gradient is wanted
        setattr(owner, name, new)
        grown.append(Grown(old, new, kept_rows(len(old), extensions, old.device)))
    return grown
