"""How many threads torch computes with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["computing_with"]


@contextmanager
def computing_with(number: int | None) -> Iterator[None]:
    """Inside, torch has so many on the CPU; None leaves them as they are."""
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
