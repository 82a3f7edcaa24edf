"""Where a result was made: versions, commit, threads, device."""

import platform
import subprocess
from pathlib import Path

import hyperdnn
from hyperdnn.lab.report._results import Environment

__all__ = ["environment"]


def environment(*, device: str = "cpu") -> Environment:
    """Versions, git commit, number of threads and device of this process.

    The commit ends in "-dirty" if the package or its configurations differ from it.

    Args:
        device: where the run computes.
    """
    import torch

    return Environment(
        commit=_commit(),
        versions={
            "hyperdnn": hyperdnn.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        threads=torch.get_num_threads(),
        device=device,
    )


def _commit() -> str | None:
    """The commit of hyperdnn's own checkout; never that of a project into which hyperdnn is installed."""
    package = Path(hyperdnn.__file__).parent
    root = _git(package, "rev-parse", "--show-toplevel")
    if root is None or Path(root).resolve() / "src" / "hyperdnn" != package.resolve():
        return None
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(Path(root), "status", "--porcelain", "--", "src", "configs")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
