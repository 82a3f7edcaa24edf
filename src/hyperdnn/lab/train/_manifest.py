"""What a checkpoint says of its files: their sizes and sha256 sums, and a sum of all that."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperdnn._version import __version__
from hyperdnn.errors import CheckpointError

__all__ = ["MANIFEST", "describe", "file_names", "processes_of", "read_manifest", "verify", "write_manifest"]

MANIFEST = "manifest.json"
_FORMAT = 1
_LONGEST = 1_000_000  # bytes of a manifest


def file_names(process: int) -> tuple[str, str]:
    """Where values and tensors of one process lie; those of the first one are as if it were alone."""
    stem = f"state-{process}" if process else "state"
    return f"{stem}.json", f"{stem}.safetensors"


def processes_of(manifest: Mapping[str, Any]) -> int:
    """How many processes wrote a checkpoint."""
    return len(manifest["files"]) // 2


def describe(path: Path) -> dict[str, object]:
    """A file's size and sum."""
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def verify(path: Path, expected: Mapping[str, Any]) -> None:
    """Compare every byte of a file with what is said of it.

    Raises:
        CheckpointError: it is missing, or another one.
    """
    size = _size(path)
    if size != expected["size"]:  # before its content is read, however much of it there is
        raise CheckpointError(f"{path} is damaged: {size} bytes instead of {expected['size']}.")
    if describe(path) != expected:
        raise CheckpointError(f"{path} is damaged: its sha256 sum is another.")


def write_manifest(folder: Path, files: Mapping[str, object], *, about: Mapping[str, object]) -> None:
    """Write what is said of a checkpoint.

    Args:
        folder: of the checkpoint.
        files: by name, as `describe` describes them.
        about: ``step``, ``task`` and ``score``.
    """
    import torch

    versions = {"hyperdnn": __version__, "torch": str(torch.__version__)}
    text = _text({"format": _FORMAT, "versions": versions, **about, "files": files})
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest says; it holds a sum of itself.

    Raises:
        CheckpointError: it is missing, damaged or of another format.
    """
    path = folder / MANIFEST
    if _size(path) > _LONGEST:
        raise CheckpointError(f"{path} is damaged: more than {_LONGEST:,} bytes.")
    try:
        text = path.read_text(encoding="utf-8")
        manifest = json.loads(text)
        body = {key: manifest[key] for key in manifest if key != "sha256"}
        whole = _text(body) == text  # also where no sum would notice: another order, a space more
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    if not whole:
        raise CheckpointError(f"{path} is damaged: its sha256 sum is another.")
    if body.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: expected format {_FORMAT}, got {body.get('format')}: another version wrote it.")
    match body:
        case {"step": int(), "task": int(), "score": float() | None, "files": {**files}} if _are_all(files):
            return body
    raise CheckpointError(f"{path} is not the manifest of a checkpoint.")


def _are_all(files: Mapping[Any, Any]) -> bool:
    """Whether these are the files of some number of processes."""
    names = {name for process in range(len(files) // 2) for name in file_names(process)}
    complete = bool(files) and files.keys() == names
    return complete and all(isinstance(file, dict) and file.keys() == {"size", "sha256"} for file in files.values())


def _text(body: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(body, indent=2).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=2) + "\n"


def _size(path: Path) -> int:
    """How long a file is; a pipe or a device, which may have no end, is none."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing.")
    return path.stat().st_size
