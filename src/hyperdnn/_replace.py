"""Puts a file in its place at once."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["replace_file"]


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Write under a temporary name and rename: who reads meets the file as it was, or whole.

    Args:
        path: the file.
        write: writes to the path that it gets; where it fails, nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
        raise
