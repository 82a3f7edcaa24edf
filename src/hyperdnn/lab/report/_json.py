"""JSON files that are never half written."""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from hyperdnn.errors import ConfigError

__all__ = ["read_json", "write_json"]

_NUMBERS = re.compile(r'\[\n\s+([^\[\]{}"]*?)\n\s*\]')


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, in one step: a reader sees the old file or the new one.

    Tensors and arrays become lists, dataclasses objects, paths strings; nan and infinities, which JSON lacks,
    become null.

    Args:
        path: the file; missing folders are made.
        value: anything made of the types above and JSON's own.

    Raises:
        TypeError: a value that has no JSON form.
    """
    # lists of numbers go on one line, so that a matrix reads as a matrix and a diff of results stays short
    text = _NUMBERS.sub(lambda m: f"[{' '.join(m[1].split())}]", json.dumps(_plain(value), indent=2)) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        ConfigError: the file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file. A run writes it: hyperdnn run RECIPE.") from error
    except ValueError as error:  # not JSON, or not text
        raise ConfigError(f"{path}: expected JSON, got something else ({error}). Run again to replace it.") from error


def _plain(value: object) -> object:
    """The value in JSON's own types."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case os.PathLike():
            return os.fspath(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if hasattr(value, "tolist"):  # tensors and arrays, without importing torch or numpy
        return _plain(value.tolist())
    return value
