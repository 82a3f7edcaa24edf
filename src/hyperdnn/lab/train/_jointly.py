"""What the processes of a training do jointly, and tell each other. One alone is the first, and all there are."""

from collections.abc import Callable
from typing import TypeVar

from torch import distributed

from hyperdnn.errors import CheckpointError

__all__ = ["first_says", "jointly", "number", "rank", "several"]

_Value = TypeVar("_Value")


def several() -> bool:
    """Whether there is a group of processes, be it of one."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Which of them this one is."""
    return distributed.get_rank() if several() else 0


def number() -> int:
    """How many there are."""
    return distributed.get_world_size() if several() else 1


def first_says(value: _Value) -> _Value:
    """The first one's value, in all of them."""
    said = [value]
    if several():
        distributed.broadcast_object_list(said)
    return said[0]


def jointly(act: Callable[[], _Value]) -> list[_Value]:
    """Do something in every process: what came of it in each, in their order. All begin and end it together.

    Raises:
        CheckpointError: in all of them, if there was one in any.
    """
    if number() == 1:
        return [act()]
    mine: tuple[_Value | None, str | None]
    try:
        mine = act(), None
    except CheckpointError as error:
        mine = None, str(error)
    found: list[tuple[_Value, str | None]] = [mine] * number()  # type: ignore[list-item]
    distributed.all_gather_object(found, mine)
    for process, (_, said) in enumerate(found):
        if said is not None:
            raise CheckpointError(f"process {process}: {said}")
    return [value for value, _ in found]
