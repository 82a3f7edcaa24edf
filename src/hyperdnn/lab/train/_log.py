"""Numbers of a run, kept and shown."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

from torch import Tensor

from hyperdnn.errors import CheckpointError
from hyperdnn.inspect import Finding
from hyperdnn.lab.train._progress import Progress, Quiet
from hyperdnn.lab.train._state import State
from hyperdnn.lab.train._track import Tracker

__all__ = ["Log"]


@final
class Log:
    """Appends lines to metrics.jsonl, and tells whoever watches how far training is.

    A line has the labels, ``step`` and ``task``, and either ``losses``, ``metrics``, a ``warning`` or who ``dropped``.

    Args:
        path: the file; None keeps nothing.
        progress: who watches; nobody by default.
        labels: what every line begins with, such as the variant and the seed.
        tracker: gets every line that is kept, as well.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        progress: Progress | None = None,
        labels: Mapping[str, str | int] | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self.path = path
        self.progress = progress or Quiet()
        self.labels = dict(labels or {})
        self.tracker = tracker
        self.shown: dict[str, str] = {}

    def start(self, iterations: int, *, done: int = 0) -> None:
        """Training begins, or goes on where so many iterations are done."""
        title = ", ".join(value if isinstance(value, str) else f"{name} {value}" for name, value in self.labels.items())
        self.shown.clear()
        self.progress.start(title, iterations, done)

    def advance(self) -> None:
        """One iteration is done."""
        self.progress.advance()

    def losses(self, state: State, losses: Mapping[str, Tensor]) -> None:
        """Keep the losses of the present batch, and show the one that is minimised."""
        values = {name: loss.item() for name, loss in losses.items()}
        self._write(state, "losses", values)
        self._show("losses", {name: value for name, value in values.items() if name == "loss"})

    def metrics(self, state: State, metrics: Mapping[str, float]) -> None:
        """Keep and show what an evaluation measured."""
        self._write(state, "metrics", metrics)
        self._show("metrics", metrics)

    def warn(self, state: State, model: str, finding: Finding) -> None:
        """Keep and show what is wrong with a generator.

        Args:
            state: how far training is.
            model: path of its `HyperDNN` in the trained model, empty if it is the whole.
            finding: what is wrong.
        """
        self._write(state, "warning", {"model": model, **asdict(finding), "places": list(finding.places)})
        where = f"step {state.step} of task {state.task}" + (f", {model}" if model else "")
        self.progress.warn(f"{where}: {finding}")

    def dropped(self, state: State, client: int, reason: str) -> None:
        """Keep and show that nothing came of a client in this round."""
        self._write(state, "dropped", {"client": client, "reason": reason})
        self.progress.show(f"client {client} dropped out: {reason}")

    def stop(self) -> None:
        """Training ends."""
        self.progress.stop()
        if self.tracker is not None:
            self.tracker.close()

    def position(self) -> int:
        """How many bytes the file has; they are on the disk when this returns."""
        if self.path is None or not self.path.exists():
            return 0
        with self.path.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def rewind(self, position: int) -> None:
        """Forget what was written after a checkpoint: the same lines will come again.

        Args:
            position: as `position` gave it.

        Raises:
            CheckpointError: the file is shorter than it was.
        """
        if self.path is None:
            return
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < position:
            raise CheckpointError(
                f"{self.path} has {size} bytes, but had {position} when the checkpoint was written. Put the file back "
                "as it was, or start a new run."
            )
        if size > position:
            os.truncate(self.path, position)
        if self.tracker is not None:
            self.tracker.begin(self.path)

    def _show(self, kind: str, values: Mapping[str, float]) -> None:
        """What was measured last, behind the losses of the present batch."""
        self.shown[kind] = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        self.progress.show(", ".join(filter(None, (self.shown.get(one) for one in ("losses", "metrics")))))

    def _write(self, state: State, kind: str, content: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        line = {**self.labels, "step": state.step, "task": state.task, kind: dict(content)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.tracker is not None:
            self.tracker.add(line)
