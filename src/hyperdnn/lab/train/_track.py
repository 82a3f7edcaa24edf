"""The numbers of a run as event files, for TensorBoard."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable
from urllib.parse import quote

from hyperdnn.errors import MissingExtraError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoard", "Tracker"]

_SECONDS = 10  # until a point is on the disk
_KINDS = ("losses", "metrics")


@runtime_checkable
class Tracker(Protocol):
    """What a `Log` passes its lines on to."""

    def begin(self, path: Path) -> None:
        """Start anew with the lines of this file, and nothing else."""

    def add(self, line: Mapping[str, Any]) -> None:
        """One line more."""

    def close(self) -> None:
        """No more lines for now."""


@final
class TensorBoard:
    """Scalars as event files: a folder for each training, with ``losses/...`` and ``metrics/...`` over the step.

    The files are a view of metrics.jsonl. A run that goes on has them written again from what is left of it:
    TensorBoard's own way, to purge from a step on, cannot tell what came at that step before the checkpoint from what
    came after it. What is written again carries the time of the writing.

    Args:
        folder: of the event files; what lies in it is replaced.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("tensorboard", extra="track") from None
        self.make = SummaryWriter
        self.folder = folder
        self.writers: dict[str, SummaryWriter] = {}

    def begin(self, path: Path) -> None:
        """Write the lines of this file, and remove everything else."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if path.exists():
            with path.open(encoding="utf-8") as file:
                for line in file:
                    if line.endswith("\n"):  # else a process was killed while it wrote this one
                        self.add(json.loads(line))

    def add(self, line: Mapping[str, Any]) -> None:
        """Write the numbers of one line; a warning has none."""
        for kind in _KINDS:
            for name, value in line.get(kind, {}).items():
                self._writer(line).add_scalar(f"{kind}/{name}", value, line["step"])

    def close(self) -> None:
        """Put everything on the disk; lines that still come go into further files."""
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()

    def _writer(self, line: Mapping[str, Any]) -> "SummaryWriter":
        labels = {key: value for key, value in line.items() if key not in {"step", "task", *_KINDS}}
        title = ", ".join(value if isinstance(value, str) else f"{key} {value}" for key, value in labels.items())
        name = quote(title, safe=" ,") or "run"
        if name not in self.writers:
            self.writers[name] = self.make(str(self.folder / name), flush_secs=_SECONDS)
        return self.writers[name]
