"""How far training is: a bar on a terminal, plain lines in a file, or nothing.

All of it on standard error, so that it does not mix with results.
"""

import sys
import time
import warnings
from typing import TYPE_CHECKING, Protocol, final, runtime_checkable

from hyperdnn.errors import GeneratorWarning, MissingExtraError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Bar", "Lines", "Progress", "Quiet", "visible"]

_SECONDS = 10.0  # between two plain lines
_HOUR = 3600.0  # the bar's rate is that of the last steps, but of none that are longer ago: trials of a search are slow


@runtime_checkable
class Progress(Protocol):
    """What a `Log` tells: the start with a title and a number of iterations, each iteration, measurements, warnings."""

    def start(self, title: str, iterations: int, done: int = 0) -> None:
        """Training begins, or goes on where so many iterations are done."""

    def advance(self) -> None:
        """One iteration is done."""

    def show(self, text: str) -> None:
        """Something was measured."""

    def warn(self, text: str) -> None:
        """Something is wrong."""

    def stop(self) -> None:
        """Training ends, well or not."""


def visible() -> Progress:
    """A bar if standard error is a terminal, plain lines otherwise."""
    return Bar() if sys.stderr.isatty() else Lines()


def _speed(rate: float) -> str:
    """Iterations in a second, or seconds for one of the slow."""
    if 0 < rate < 1:
        return f"{1 / rate:,.1f} s/it"
    return f"{rate:,.0f} it/s"


@final
class Quiet:
    """Shows nothing; what is wrong becomes a `GeneratorWarning`."""

    def start(self, title: str, iterations: int, done: int = 0) -> None:
        """Nothing."""

    def advance(self) -> None:
        """Nothing."""

    def show(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Warn as Python does."""
        warnings.warn(text, GeneratorWarning, stacklevel=2)

    def stop(self) -> None:
        """Nothing."""


@final
class Lines:
    """A plain line every ten seconds and at the end: how far, how fast, how much longer, what was measured last.

    Args:
        seconds: between two lines.
    """

    def __init__(self, *, seconds: float = _SECONDS) -> None:
        self.seconds = seconds
        self.title, self.text = "", ""
        self.iterations, self.done, self.earlier = 0, 0, 0
        self.began = self.printed = time.monotonic()

    def start(self, title: str, iterations: int, done: int = 0) -> None:
        """Start counting."""
        self.title, self.text = title, ""
        self.iterations, self.done, self.earlier = iterations, done, done
        self.began = self.printed = time.monotonic()

    def advance(self) -> None:
        """Write, if it is time."""
        self.done += 1
        if time.monotonic() - self.printed >= self.seconds:
            self._print()

    def show(self, text: str) -> None:
        """Remember it for the next line, and write that, if it is time."""
        self.text = text
        if self.iterations and time.monotonic() - self.printed >= self.seconds:
            self._print()

    def warn(self, text: str) -> None:
        """Write it now."""
        print(f"{self.title}: warning: {text}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Write the last line, if training ever began."""
        if self.iterations:
            self._print()

    def _print(self) -> None:
        self.printed = time.monotonic()
        rate = (self.done - self.earlier) / max(self.printed - self.began, 1e-9)
        left = (self.iterations - self.done) / rate if rate else 0.0
        parts = [f"{self.title}: {self.done:,}/{self.iterations:,}", _speed(rate)]
        parts += [f"{left:.0f} s left"] if left else []
        parts += [self.text] if self.text else []
        print(", ".join(parts), file=sys.stderr, flush=True)


@final
class Bar:
    """A bar with rate, time left, and what was measured last; it stays on the screen."""

    def __init__(self) -> None:
        self.bar: RichProgress | None = None

    def start(self, title: str, iterations: int, done: int = 0) -> None:
        """Draw the bar."""
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:
            raise MissingExtraError("rich", extra="lab") from None
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
            speed_estimate_period=_HOUR,
        )
        self.bar.start()
        self.task = self.bar.add_task(title, total=iterations, completed=done, rate="", text="")

    def advance(self) -> None:
        """Draw one iteration more."""
        assert self.bar is not None
        speed = self.bar.tasks[0].speed
        self.bar.update(self.task, advance=1, rate=_speed(speed) if speed else "")

    def show(self, text: str) -> None:
        """Write it behind the bar."""
        assert self.bar is not None
        self.bar.update(self.task, text=text)

    def warn(self, text: str) -> None:
        """Write it above the bar."""
        assert self.bar is not None
        self.bar.console.print(f"{self.bar.tasks[0].description}: warning: {text}", markup=False, highlight=False)

    def stop(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.stop()
