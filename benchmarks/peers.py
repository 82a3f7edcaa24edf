"""An environment of its own for the libraries that hyperdnn is compared with."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

__all__ = ["FOLDER", "VERSIONS", "ensure", "python_of"]

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "benchmarks" / ".peers"
VERSIONS: Final = {"hypnettorch": "0.0.4", "hyper-nn": "0.2.2", "hyperlight": "0.0.5", "labml-nn": "0.5.1"}
_NEEDED: Final = ("torch", "jaxtyping>=0.3", "safetensors>=0.6", "numpy", "matplotlib", "setuptools")
"""What hyperdnn needs, and what the peers import in the parts that are compared."""


def ensure(folder: Path = FOLDER, *, run: Callable[[Sequence[str]], object] | None = None) -> Path:
    """Make the environment unless it is there.

    The peers come without their dependencies, some of which are wrong: they would replace torch.

    Args:
        folder: of the environment.
        run: runs a command and raises if it fails; a process by default.

    Returns:
        Its Python.
    """
    python, wanted = python_of(folder), "\n".join(f"{name}=={version}" for name, version in VERSIONS.items())
    stamp = folder / "peers.txt"  # written last: an environment that was interrupted is made again
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    run = run or _run
    run([sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    run([*pip, "-c", str(ROOT / "constraints.txt"), *_NEEDED])
    run([*pip, "--no-deps", *wanted.splitlines()])
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    print(ensure())
