"""Numbers of a run, kept and shown."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

from torch import Tensor

from hyperdnn.inspect import Finding
from hyperdnn.lab.train._progress import Progress, Quiet
from hyperdnn.lab.train._state import State

__all__ = ["Log"]


@final
class Log:
    """Appends lines to metrics.jsonl, and tells whoever watches how far training is.

    A line has the labels, ``step`` and ``task``, and either ``losses``, ``metrics`` or a ``warning``.

    Args:
        path: the file; None keeps nothing.
        progress: who watches; nobody by default.
        labels: what every line begins with, such as the variant and the seed.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        progress: Progress | None = None,
        labels: Mapping[str, str | int] | None = None,
    ) -> None:
        self.path = path
        self.progress = progress or Quiet()
        self.labels = dict(labels or {})

    def start(self, iterations: int) -> None:
        """Training begins."""
        title = ", ".join(value if isinstance(value, str) else f"{name} {value}" for name, value in self.labels.items())
        self.progress.start(title, iterations)

    def advance(self) -> None:
        """One iteration is done."""
        self.progress.advance()

    def losses(self, state: State, losses: Mapping[str, Tensor]) -> None:
        """Keep the losses of the present batch."""
        self._write(state, "losses", {name: loss.item() for name, loss in losses.items()})

    def metrics(self, state: State, metrics: Mapping[str, float]) -> None:
        """Keep and show what an evaluation measured."""
        self._write(state, "metrics", metrics)
        self.progress.show(", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items()))

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

    def stop(self) -> None:
        """Training ends."""
        self.progress.stop()

    def _write(self, state: State, kind: str, content: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        line = {**self.labels, "step": state.step, "task": state.task, kind: dict(content)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
