"""All processes of a training end together."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import distributed

from hyperdnn.errors import HyperDNNError
from hyperdnn.lab.train._engine import TrainingError
from hyperdnn.lab.train._jointly import number, rank, several
from hyperdnn.lab.train._present import LOST, Present

__all__ = ["together"]

# What the backends say of a process that is gone, or does not come.
_GONE = re.compile(r"gloo|nccl|connection (closed|reset|refused)|timed? ?out|peer", re.IGNORECASE)


@contextmanager
def together(folder: Path) -> Iterator[None]:
    """Inside, several processes train. None leaves well before the others have finished.

    Args:
        folder: of the run, where they leave word of themselves.

    Raises:
        TrainingError: instead of the backend's own error, if another process ended or does not come. It says which.
    """
    present = Present(folder, rank(), number())
    if not several():
        yield
        present.clear()  # after several that were killed
        return
    present.enter()
    try:
        distributed.barrier()
        yield
        distributed.barrier()
    except BaseException as error:
        if isinstance(error, HyperDNNError) or not isinstance(error, RuntimeError) or not _GONE.search(str(error)):
            present.leave(f"{type(error).__name__}: {error}".removesuffix(": "))
            raise
        text = _message(present)
        present.leave(f"{LOST} another one")
        raise TrainingError(text) from error
    present.leave("finished")
    if present.process == 0:
        present.clear()


def _message(present: Present) -> str:
    who = f"process {present.process} of {present.processes}"
    missing = present.missing()
    if not missing:
        return (
            f"{who} lost another one, which hangs, or whose machine does not answer. What was done before the last "
            "checkpoint is kept."
        )
    process, reason = next(iter(missing.items()))
    why = f"ended with {reason}" if reason else "was killed, as for want of memory"
    return f"{who} lost process {process}, which {why}. What was done before the last checkpoint is kept."
