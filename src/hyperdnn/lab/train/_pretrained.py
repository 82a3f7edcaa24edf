"""A module that is trained once and kept: the base that every variant and seed of a recipe begins with."""

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hyperdnn._replace import replace_file
from hyperdnn._version import __version__
from hyperdnn.errors import CheckpointError, CheckpointWarning, ConfigError
from hyperdnn.lab.config import seed_everything, to_mapping
from hyperdnn.lab.data._fetch import cache_folder
from hyperdnn.lab.train._fit import fit
from hyperdnn.lab.train._jointly import number
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._parts import Data, Step
from hyperdnn.lab.train._processes import are_several
from hyperdnn.lab.train._progress import Quiet, visible
from hyperdnn.lab.train._random import random_states, set_random_states
from hyperdnn.lab.train._state import State

__all__ = ["pretrained"]

Module = TypeVar("Module", bound=nn.Module)

_FOLDER = "pretrained"


def pretrained(
    name: str,
    config: Any,
    *,
    make: Callable[[Any], Module],
    data: Callable[[Any], Data],
    step: Step,
    also: Mapping[str, object] | None = None,
) -> Module:
    """A module that `fit` trains the first time, and that is read from the user's cache every time after.

    What comes out is the same to the last bit, trained or read, whatever the caller has drawn before; and the caller's
    random numbers go on as if nothing had been drawn. Where two processes want the same one, the second waits for the
    first. A file that is damaged, or of something else, is passed over with a warning and made again.

    The file is found by all that is given as values: `config`, `also`, the module's shapes, the versions of torch and
    of this library. Code is not looked at: who changes what `make`, `data` or `step` do changes `also`.

    Args:
        name: of the file, in front of its sum.
        config: a dataclass with a ``seed`` and the loop's settings as ``train``, and whatever else determines the
            module; the ``state.config`` of `step`.
        make: configuration -> the untrained module.
        data: configuration -> what it is trained on. Called only if it is trained.
        step: the losses.
        also: what else determines it, as plain values: checksums of the data, versions of other libraries.

    Returns:
        The module, in evaluation mode, on the device that `make` chose; to be frozen by who wants it so.

    Raises:
        ConfigError: `also` or `config` hold something that is no plain value, or the module would have to be trained by
            several processes.
        CheckpointError: the cache cannot be written.
        TrainingError: the loss is not finite.
    """
    with _random_numbers_of(config.seed):
        module = make(config)
        about = _about(name, config, also or {}, module)
        file = cache_folder() / _FOLDER / f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:20]}.safetensors"
        try:
            tensors = _read(file, about)
        except (FileNotFoundError, CheckpointError):
            with _alone(file):
                tensors = _read_or_make(file, about, partial(_train, name, config, module, data, step))
            module = make(config)  # training leaves gradients, and may leave the module elsewhere
    module.load_state_dict(tensors)
    return module.eval()


def _read_or_make(file: Path, about: str, train: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Another process may have made it while this one waited."""
    try:
        return _read(file, about)
    except FileNotFoundError:
        pass
    except CheckpointError as error:
        warnings.warn(f"{error} It is made again.", CheckpointWarning, stacklevel=3)
    tensors = train()
    kept = {"about": about, "sha256": _sum(tensors)}
    try:
        replace_file(file, partial(save_file, tensors, metadata=kept))
    except (OSError, SafetensorError) as error:  # minutes of training are not to be lost
        warnings.warn(f"{file} cannot be written: {error}. It is trained again next time.", CheckpointWarning, 3)
    return tensors


def _train(name: str, config: Any, module: nn.Module, data: Callable[[Any], Data], step: Step) -> dict[str, Tensor]:
    if number() > 1 or are_several(config.train):
        raise ConfigError(f"'{name}' is trained in one process, and then kept. Run once with one device first.")
    state = State(model=module, config=config, generator=torch.Generator().manual_seed(config.seed))
    log = Log(progress=visible() if sys.stderr.isatty() else Quiet(), labels={"pretraining": name})
    try:
        fit(state, data(config), config.train, step=step, evaluate=lambda model, data: {}, log=log)
    finally:
        log.stop()
    # Copies: parameters that are tied lie in the same memory, which the format does not know.
    return {key: tensor.detach().cpu().clone().contiguous() for key, tensor in module.state_dict().items()}


def _about(name: str, config: Any, also: Mapping[str, object], module: nn.Module) -> str:
    """All that determines the weights, as text."""
    shapes = {key: [str(tensor.dtype), list(tensor.shape)] for key, tensor in module.state_dict().items()}
    versions = {"hyperdnn": __version__, "torch": str(torch.__version__)}
    said = {"name": name, "config": to_mapping(config), "also": also, "module": shapes, "versions": versions}
    try:
        return json.dumps(said, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"'{name}': expected plain values in its configuration and in also: {error}.") from error


def _read(file: Path, about: str) -> dict[str, Tensor]:
    """The weights in a file that says it is of this, and whose sum is right.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: there is another one.
    """
    if not file.exists():
        raise FileNotFoundError(file)
    try:
        with safe_open(file, framework="pt") as opened:
            kept = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged: {error}.") from error
    if kept.get("about") != about:
        raise CheckpointError(f"{file} holds other weights than its name says.")
    if kept.get("sha256") != _sum(tensors):
        raise CheckpointError(f"{file} is damaged: its sha256 sum is another.")
    return tensors


def _sum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def _random_numbers_of(seed: int) -> Iterator[None]:
    """Inside, those of a seed; afterwards, those that would have come."""
    before = random_states()
    seed_everything(seed)
    try:
        yield
    finally:
        set_random_states(before)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Inside, no other process makes this file: others wait. The system lets go of it when a process is killed.

    Where there are no locks, both make it, and the last one's stays.
    """
    lock = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:  # before minutes are spent on what cannot be kept
        raise CheckpointError(
            f"{file.parent} cannot be written: {error}. Make room, or set XDG_CACHE_HOME to another folder."
        ) from error
    try:
        if sys.platform != "win32":
            import fcntl

            with suppress(OSError):  # a file system without locks is no reason not to train
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
