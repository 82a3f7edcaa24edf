"""The files of a saved model, read so that nothing in them can do harm."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from hyperdnn.errors import CheckpointError

__all__ = ["Shapes", "read_json", "read_shapes", "read_tensors"]

Shapes: TypeAlias = dict[str, tuple[int, ...]]

_LONGEST = 16 * 2**20  # bytes of a configuration


def read_json(path: Path) -> Any:
    """The value in a configuration's file, each name in it given once, and without nan and infinities.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    _check_file(path, f"{path.parent} holds no saved model.")
    if path.stat().st_size > _LONGEST:
        raise CheckpointError(f"{path} is damaged: more than {_LONGEST:,} bytes.")
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    _check_file(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}.") from error


def read_shapes(path: Path) -> Shapes:
    """The shapes of a file's tensors, of which it holds every number.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}.") from error


def _check_file(path: Path, what: str = "") -> None:
    """A pipe or a device, which may have no end, is no file."""
    try:
        found = path.is_file()
    except OSError:  # a name that is too long for the system
        found = False
    if not found:
        raise CheckpointError(f"{path} is missing{': ' if what else '.'}{what}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' stands in an object twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
