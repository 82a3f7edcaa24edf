"""How long training takes, without what is done beside it."""

import time
from typing import final

from hyperdnn.lab.train._state import State

__all__ = ["Stopwatch"]


@final
class Stopwatch:
    """Adds the seconds of a block to ``state.training_s``.

    Args:
        state: of the loop.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.began = 0.0

    def read(self) -> None:
        """Add what has passed since it was last read."""
        now = time.perf_counter()
        self.state.training_s += now - self.began
        self.began = now

    def __enter__(self) -> "Stopwatch":
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.read()
