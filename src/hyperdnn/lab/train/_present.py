"""Which processes of a training are still there, and why others left.

Each of them holds a lock on a file of its own in the run's folder. The system takes it away from a process that ends,
in whatever way, so that the others can tell; who can still say why writes it into the file.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import IO, final

__all__ = ["LOST", "Present"]

LOST = "lost"  # how a reason begins that only tells of another process

_FOLDER = ".processes"
_SECONDS = 2.0  # the longest time between the end of a process's connections and that of its lock


@final
class Present:
    """The processes of a training, by their files.

    Args:
        folder: of the run, the same one for all.
        process: which one this is.
        processes: how many there are.
    """

    def __init__(self, folder: Path, process: int, processes: int) -> None:
        self.folder = folder / _FOLDER
        self.process, self.processes = process, processes
        self.file: IO[str] | None = None

    def enter(self) -> None:
        """Be there. Nobody must ask before all are."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self._path(self.process).open("w", encoding="utf-8")
        _take(self.file)

    def leave(self, reason: str) -> None:
        """Be there no longer."""
        if self.file is not None:
            self.file.write(reason)
            self.file.close()
            self.file = None

    def clear(self) -> None:
        """Leave nothing behind, when all have left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def missing(self) -> dict[int, str]:
        """Those who left, and not because of another one; with their reasons, empty for who could not say one."""
        deadline = time.monotonic() + _SECONDS
        while True:
            others = [process for process in range(self.processes) if process != self.process]
            reasons = {process: self._reason(process) for process in others}
            found = {p: why for p, why in reasons.items() if why is not None and not why.startswith(LOST)}
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _path(self, process: int) -> Path:
        return self.folder / str(process)

    def _reason(self, process: int) -> str | None:
        """Why a process left; None if it did not, or if that cannot be told."""
        try:
            with self._path(process).open("r+", encoding="utf-8") as file:
                return file.read() if _take(file) else None
        except OSError:
            return None


def _take(file: IO[str]) -> bool:
    """Lock a file until it is closed; whether that could be done. Windows and some network file systems cannot."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
