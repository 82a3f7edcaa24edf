"""One checkpoint on the disk: values as JSON, tensors as safetensors, and a manifest of their sha256 sums.

torch's distributed checkpoint and Fabric's files are no choice for one process: both read pickles, the former for its
metadata, the latter for everything.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hyperdnn._version import __version__
from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._tree import flatten, unflatten

__all__ = ["Checkpoint", "read_checkpoint", "read_manifest", "remove", "write_checkpoint"]

_FORMAT = 1
_MANIFEST, _VALUES, _TENSORS = "manifest.json", "state.json", "state.safetensors"
_FILES = {_VALUES, _TENSORS}
_LONGEST = 100_000  # bytes of a manifest


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What was read, and known to be what was written.

    Args:
        folder: where it lies.
        tree: the values; tensors are names in it.
        tensors: by name.
    """

    folder: Path
    tree: object
    tensors: Mapping[str, Tensor]

    def value(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """What was given to `write_checkpoint`, with tensors that were not on the CPU on this device.

        Raises:
            CheckpointError: the file holds something else.
        """
        try:
            value: dict[str, Any] = unflatten(self.tree, self.tensors, device)
            if not isinstance(value, dict):
                raise TypeError(f"expected a mapping, got {type(value).__name__}")
            return value
        except (CheckpointError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.folder} is not a checkpoint of hyperdnn: {error}") from error


def write_checkpoint(folder: Path, value: Mapping[str, object], *, about: Mapping[str, object]) -> None:
    """Write a checkpoint in one step: the folder is there with all its files on the disk, or not at all.

    Args:
        folder: replaced if it is there.
        value: see `flatten`.
        about: what the manifest says without the rest being read: ``step``, ``task`` and ``score``.

    Raises:
        CheckpointError: a value that cannot be kept, or a disk that is full.
    """
    tree, tensors = flatten(value)
    temporary = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        (temporary / _VALUES).write_text(json.dumps(tree, allow_nan=False), encoding="utf-8")
        save_file(tensors, temporary / _TENSORS)
        files = {name: _describe(temporary / name) for name in (_VALUES, _TENSORS)}
        versions = {"hyperdnn": __version__, "torch": str(torch.__version__)}
        text = _text({"format": _FORMAT, "versions": versions, **about, "files": files})
        (temporary / _MANIFEST).write_text(text, encoding="utf-8")
        for path in (*(temporary / name for name in (_VALUES, _TENSORS, _MANIFEST)), temporary):
            _sync(path)
        remove(folder)
        temporary.rename(folder)
        _sync(folder.parent)
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:  # the last for a type safetensors lacks
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(f"{folder} cannot be written: {error}. Earlier checkpoints are untouched.") from error


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, every byte of which is compared with the manifest before it is looked at.

    Raises:
        CheckpointError: it is damaged, incomplete or of another format.
    """
    files = read_manifest(folder)["files"]
    for name in (_VALUES, _TENSORS):
        path, expected = folder / name, files[name]["size"]
        size = _size(path)
        if size != expected:  # before its content is read, however much of it there is
            raise CheckpointError(f"{path} is damaged: {size} bytes instead of {expected}.")
        if _describe(path) != files[name]:
            raise CheckpointError(f"{path} is damaged: its sha256 sum is another.")
    try:
        tree = json.loads((folder / _VALUES).read_text(encoding="utf-8"))
        return Checkpoint(folder=folder, tree=tree, tensors=load_file(folder / _TENSORS))
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is not a checkpoint of hyperdnn: {error}.") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest says; it holds a sum of itself.

    Raises:
        CheckpointError: it is missing, damaged or of another format.
    """
    path = folder / _MANIFEST
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
        case {"step": int(), "task": int(), "score": float() | None, "files": {**files}} if set(files) == _FILES:
            if all(isinstance(file, dict) and file.keys() == {"size", "sha256"} for file in files.values()):
                return body
    raise CheckpointError(f"{path} is not the manifest of a checkpoint.")


def remove(folder: Path) -> None:
    """Remove a checkpoint in one step: no half of one is ever left under its name."""
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def _text(body: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(body, indent=2).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=2) + "\n"


def _size(path: Path) -> int:
    """How long a file is; a pipe or a device, which may have no end, is none."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing.")
    return path.stat().st_size


def _describe(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk and not only in memory."""
    if path.is_dir():
        if sys.platform == "win32":
            return  # which has no such call for folders
        descriptor = os.open(path, os.O_RDONLY)
    else:
        descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
