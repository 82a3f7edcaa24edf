"""One checkpoint on the disk: values as JSON, tensors as safetensors, and a manifest of their sha256 sums.

Several processes write two files each: the first one what one process would write, the others what differs, which are
their random generators and their parts of what is divided. The manifest comes last.

torch's distributed checkpoint and Fabric's files are no choice: both read pickles, the former for its metadata, the
latter for everything. What torch writes as safetensors alone has no place for values, and no sums.
"""

import hashlib
import json
import os
import shutil
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._jointly import jointly, number, rank
from hyperdnn.lab.train._manifest import (
    MANIFEST,
    describe,
    file_names,
    processes_of,
    read_manifest,
    verify,
    write_manifest,
)
from hyperdnn.lab.train._tree import flatten, unflatten

__all__ = ["Checkpoint", "read_checkpoint", "remove", "write_checkpoint"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What was read, and known to be what was written.

    Args:
        folder: where it lies.
        process: whose values these are: this process's own if as many wrote it as read it, else the first one's.
        tree: the values; tensors are names in it.
        tensors: by name, those of all processes.
    """

    folder: Path
    process: int
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
        except (CheckpointError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.folder} is not a checkpoint of hyperdnn: {error}") from error


def write_checkpoint(folder: Path, value: Mapping[str, object], *, about: Mapping[str, object]) -> None:
    """Write a checkpoint in one step: the folder is there with all its files on the disk, or not at all.

    Several processes do it together.

    Args:
        folder: replaced if it is there.
        value: see `flatten`; each process gives its own.
        about: what the manifest says without the rest being read: ``step``, ``task`` and ``score``.

    Raises:
        CheckpointError: a value that cannot be kept, or a disk that is full.
    """
    writing = _Writing(folder, value)
    try:
        known = jointly(writing.begin)[0]
        files = jointly(partial(writing.write, known))
        jointly(partial(writing.finish, {name: said for part in files for name, said in part.items()}, about))
    except CheckpointError:
        writing.undo()
        raise


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, every byte of which is compared with the manifest before it is looked at.

    Several processes, as many as wrote it or not, do it together, and each byte is compared by one of them.

    Raises:
        CheckpointError: it is damaged, incomplete or of another format.
    """
    manifest = jointly(partial(read_manifest, folder))[0]
    jointly(partial(_verify, folder, manifest["files"]))
    found: list[Checkpoint] = []
    jointly(lambda: found.append(_load(folder, processes_of(manifest))))
    return found[0]


def remove(folder: Path) -> None:
    """Remove a checkpoint in one step: no half of one is ever left under its name."""
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)


@final
class _Writing:
    """One process's share in writing a checkpoint. Each step is taken when all have taken the one before."""

    def __init__(self, folder: Path, value: Mapping[str, object]) -> None:
        self.folder = folder
        self.temporary = folder.with_name(f".{folder.name}.new")
        self.value = value
        self.tree: object = None
        self.tensors: dict[str, Tensor] = {}

    def begin(self) -> dict[str, str]:
        """Make room; what the first process has of each tensor, in short."""
        self.tree, self.tensors = flatten(self.value)
        if rank():
            return {}
        with self._saying():
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary.mkdir(parents=True)
        return {name: _sum(tensor) for name, tensor in self.tensors.items()} if number() > 1 else {}

    def write(self, known: Mapping[str, str]) -> dict[str, dict[str, object]]:
        """Write the values and those tensors that are not known; what the manifest shall say of both files."""
        if rank():
            self.tensors = {
                n: tensor for n, tensor in self.tensors.items() if n not in known or known[n] != _sum(tensor)
            }
        values, tensors = (self.temporary / name for name in file_names(rank()))
        with self._saying():
            values.write_text(json.dumps(self.tree, allow_nan=False), encoding="utf-8")
            save_file(self.tensors, tensors)
            files = {path.name: describe(path) for path in (values, tensors)}
            _sync(values)
            _sync(tensors)
        return files

    def finish(self, files: Mapping[str, object], about: Mapping[str, object]) -> None:
        """The first one gives the whole its name."""
        if rank():
            return
        with self._saying():
            write_manifest(self.temporary, files, about=about)
            _sync(self.temporary / MANIFEST)
            _sync(self.temporary)
            remove(self.folder)
            self.temporary.rename(self.folder)
            _sync(self.folder.parent)

    def undo(self) -> None:
        """Leave nothing behind."""
        if not rank():
            shutil.rmtree(self.temporary, ignore_errors=True)

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (OSError, SafetensorError, RuntimeError, KeyError) as error:  # the last for a type safetensors lacks
            said = f"{self.folder} cannot be written: {error}. Earlier checkpoints are untouched."
            raise CheckpointError(said) from error


def _verify(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """This process's share of the files."""
    for name in sorted(files)[rank() :: number()]:
        verify(folder / name, files[name])


def _load(folder: Path, processes: int) -> Checkpoint:
    own = rank() if processes == number() else 0
    order = dict.fromkeys((own, *range(processes)))  # its own tensors before those of others that have their names
    try:
        tree = json.loads((folder / file_names(own)[0]).read_text(encoding="utf-8"))
        tensors = ChainMap(*[load_file(folder / file_names(process)[1]) for process in order])
        return Checkpoint(folder=folder, process=own, tree=tree, tensors=tensors)
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is not a checkpoint of hyperdnn: {error}.") from error


def _sum(tensor: Tensor) -> str:
    content = tensor.reshape(-1).view(torch.uint8).numpy().data
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.sha256(content).hexdigest()}"


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
