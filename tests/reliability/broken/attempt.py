"""One bad input, and what became of it within limits of time and memory."""

import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from hyperdnn.errors import HyperDNNError

__all__ = ["Attempt", "Broken", "Outcome", "outcome"]

SECONDS = 5.0
MEBIBYTES = 256


@dataclass(frozen=True)
class Attempt:
    """A use of something that was broken in a known way: it must be refused.

    Args:
        broken: what is wrong with it.
        use: ends in an error of hyperdnn, or hyperdnn is at fault.
    """

    broken: str
    use: Callable[[], object]


class Broken(NamedTuple):
    """One kind of input.

    Args:
        whole: uses of valid input, which must go well: else it is no wonder that broken input is refused.
        attempts: uses of broken input, made in a folder.
    """

    whole: Callable[[Path], list[Callable[[], object]]]
    attempts: Callable[[Path], SearchStrategy[Attempt]]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: ``"refused"`` as it should be, ``"crashed"``, ``"hung"`` or ``"accepted"``."""

    end: str
    said: str


class Hung(BaseException):
    """Too slow; no ``except Exception`` swallows it."""


def outcome(attempt: Attempt, canary: Path) -> Outcome:
    """Runs an attempt.

    Args:
        attempt: the bad input.
        canary: a file that what is hidden in bad inputs would make if it ran.
    """
    before = _peak()
    try:
        with _deadline(SECONDS):
            found = attempt.use()
        end = Outcome("accepted", repr(found)[:200])
    except HyperDNNError as error:
        end = Outcome("refused", str(error)) if str(error) else Outcome("crashed", "an error without a message")
    except Hung:
        end = Outcome("hung", f"more than {SECONDS:g} s of the processor, or {12 * SECONDS:g} of the clock")
    except BaseException as error:
        end = Outcome("crashed", "".join(traceback.format_exception(error, limit=-3)))
    if canary.exists():
        canary.unlink()
        return Outcome("crashed", "code in the input was executed")
    grown = _peak() - before
    return Outcome("hung", f"took {grown:.0f} MiB of memory") if grown > MEBIBYTES else end


def _peak() -> float:
    """The most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hung

    # Time of the processor, so that a busy machine hangs nobody; and of the clock, for what waits without end. Both
    # ring again, should the first time fall into a place that swallows exceptions.
    timers = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, 12 * seconds),
    }
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, limit in timers.values():
        signal.setitimer(timer, limit, 1)
    try:
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
