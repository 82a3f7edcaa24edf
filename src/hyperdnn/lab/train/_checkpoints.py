"""The checkpoints of one training: which are kept, and which is the newest that can be trusted."""

import re
import shutil
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from hyperdnn.errors import CheckpointError, CheckpointWarning
from hyperdnn.lab.train._checkpoint import Checkpoint, read_checkpoint, remove, write_checkpoint
from hyperdnn.lab.train._jointly import first_says, rank
from hyperdnn.lab.train._manifest import read_manifest

__all__ = ["Checkpoints"]

_FINAL = "final"


@final
class Checkpoints:
    """A folder of checkpoints: ``step-000500`` and so on while training goes on, then ``final``.

    A loop writes them where its state has such a folder, and goes on from ``state.resumed``. They hold no pickle.
    Several processes write them and read them together, after `launch`; what some number of them wrote, any other
    number reads.

    Args:
        folder: of one training, the same one on all machines; made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.earlier = 0.0  # seconds before this process
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long this training has taken so far, the time of processes that were killed included."""
        return self.earlier + time.perf_counter() - self.began

    def write(self, value: Mapping[str, Any], *, score: float, keep: int) -> None:
        """Add a checkpoint; then only the last ones remain, and the best of the present task.

        Args:
            value: everything that a resumed training needs, with its ``step`` and ``task``.
            score: what the best has least of.
            keep: how many of the last ones.

        Raises:
            CheckpointError: it cannot be written.
        """
        self._write(f"step-{value['step']:06d}", value, score)
        if rank():
            return
        # What is newer was passed over as damaged: it must not count among the last ones.
        for folder in self._steps():
            if _step(folder) > value["step"]:
                remove(folder)
        best = self.best()
        for folder in self._steps()[:-keep]:
            if folder != best:
                remove(folder)

    def finish(self, value: Mapping[str, Any]) -> None:
        """Add the last checkpoint of all; the best remains beside it.

        Raises:
            CheckpointError: it cannot be written.
        """
        best = self.best() if rank() == 0 else None
        self._write(_FINAL, value, None)
        for folder in self._steps() if rank() == 0 else ():
            if folder != best:
                remove(folder)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole, None if there was never one. Each one passed over is warned of.

        Raises:
            CheckpointError: all are damaged.
        """
        refused: list[CheckpointError] = []
        for name in first_says([folder.name for folder in self._all()]):
            try:
                found = read_checkpoint(self.folder / name)
            except CheckpointError as error:
                refused.append(error)
                continue
            for reason in refused if rank() == 0 else ():
                warnings.warn(f"{reason} Going on from {name}.", CheckpointWarning, stacklevel=2)
            return found
        if refused:
            raise CheckpointError(
                f"no checkpoint in {self.folder} can be used. {refused[0]} Delete that folder to train this part again."
            )
        return None

    def newest(self) -> Path | None:
        """Where the newest one lies, whole or not."""
        return next(iter(self._all()), None)

    def best(self) -> Path | None:
        """Where the one with the lowest score lies, among those of the newest one's task: tasks do not compare."""
        scores: dict[Path, tuple[int, float]] = {}
        for folder in self._steps():
            try:
                manifest = read_manifest(folder)
                scores[folder] = (manifest["task"], manifest["score"])
            except (CheckpointError, KeyError):
                continue
        last = max((task for task, _ in scores.values()), default=0)
        return min((f for f, (task, _) in scores.items() if task == last), key=lambda f: scores[f][1], default=None)

    def _write(self, name: str, value: Mapping[str, Any], score: float | None) -> None:
        if self.folder.is_dir() and rank() == 0:
            for path in self.folder.glob(".*"):  # left behind by a process that was killed
                shutil.rmtree(path, ignore_errors=True)
        about = {"step": value["step"], "task": value["task"], "score": score}
        write_checkpoint(self.folder / name, value, about=about)

    def _all(self) -> list[Path]:
        final = self.folder / _FINAL
        return [*([final] if final.is_dir() else []), *reversed(self._steps())]

    def _steps(self) -> list[Path]:
        """Those of the training under way, the oldest first."""
        found = {path: re.fullmatch(r"step-(\d+)", path.name) for path in self.folder.glob("step-*")}
        return sorted((path for path, match in found.items() if match), key=_step)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))
