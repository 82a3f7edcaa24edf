"""All processes of a training end together."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from torch import distributed

from hyperdnn.errors import HyperDNNError
from hyperdnn.lab.train._engine import TrainingError

__all__ = ["together"]

# What the backends say of a process that is gone, or does not come.
_GONE = re.compile(r"gloo|nccl|connection (closed|reset|refused)|timed? ?out|peer", re.IGNORECASE)


@contextmanager
def together() -> Iterator[None]:
    """Inside, several processes train. None leaves well before the others have finished.

    Raises:
        TrainingError: instead of the backend's own error, if another process ended or does not come.
    """
    try:
        yield
        if _several():
            distributed.barrier()
    except HyperDNNError:
        raise
    except RuntimeError as error:
        if not _several() or not _GONE.search(str(error)):
            raise
        raise TrainingError(
            f"process {distributed.get_rank()} of {distributed.get_world_size()} lost another one, which ended or "
            "hangs. What happened there stands in its own message; if there is none, it was killed, often for want of "
            "memory."
        ) from error


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
