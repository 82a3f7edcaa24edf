"""What is shown where there is no room for all."""

from torch import Tensor

__all__ = ["left_out", "short", "strongest"]


def short(name: str, letters: int = 24, *, head: int = 7) -> str:
    """A name of at most so many letters; a longer one keeps this many at its start, and the rest at its end.

    Paths of layers differ at their ends: give them no head.
    """
    if len(name) <= letters:
        return name
    return f"{name[:head]}\N{HORIZONTAL ELLIPSIS}{name[head + 1 - letters :]}"


def strongest(values: Tensor, most: int) -> list[int]:
    """Where the largest numbers are, at most so many, in their own order."""
    order = values.nan_to_num(nan=0.0).argsort(descending=True, stable=True)
    return sorted(order[:most].tolist())


def left_out(total: int, shown: int, what: str) -> str:
    """A sentence for the caption; empty where everything is shown."""
    return f" The {shown} strongest of {total} {what} are shown." if shown < total else ""
