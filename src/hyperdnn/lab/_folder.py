"""The folder of a run: what lies in it under which name, and that one process at a time is at work in it."""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperdnn.errors import ConfigError

__all__ = ["CHECKPOINTS", "CONFIG", "ENVIRONMENT", "RESULTS", "alone", "file_name", "request"]

CHECKPOINTS, CONFIG, ENVIRONMENT, RESULTS = "checkpoints", "config.yaml", "env.json", "results.json"
_LONGEST = 100_000  # bytes of an env.json


def file_name(variant: str, variants: Iterable[str]) -> str:
    """A variant's name as every file system takes it, with its place where two would have the same."""
    names = [re.sub(r"[^\w.-]+", "-", name) for name in variants]
    place = list(variants).index(variant)
    name = names[place]
    return name if names.count(name) == 1 else f"{name}-{place}"


def request(folder: Path) -> tuple[str, list[int], list[str] | None]:
    """Recipe, seeds and variants of the run in a folder, to whose ``env.json`` anything may have happened.

    Raises:
        ConfigError: they are not in it.
    """
    try:
        return _request(folder / ENVIRONMENT)
    except (OSError, ValueError, RecursionError):
        raise ConfigError(
            f"{folder} holds no run: its {ENVIRONMENT} is missing, damaged or of an older version."
        ) from None


def _request(path: Path) -> tuple[str, list[int], list[str] | None]:
    if not path.is_file() or path.stat().st_size > _LONGEST:
        raise ValueError(path)
    match json.loads(path.read_text(encoding="utf-8")):
        case {"recipe": str(recipe), "seeds": [_, *_] as seeds, "variants": [_, *_] | None as variants, "line": str()}:
            if all(type(seed) is int for seed in seeds) and all(isinstance(name, str) for name in variants or ()):
                return recipe, seeds, variants
    raise ValueError(path)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, no other process is at work in a folder. The system lets go of it when a process is killed.

    Windows and some network file systems have no such lock on folders: there, nothing is checked.

    Raises:
        ConfigError: another one is.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder}: another process trains this run. Wait for it, or start a new run.") from None
        except OSError:
            pass  # a file system without locks is no reason not to train
        yield
    finally:
        os.close(descriptor)
