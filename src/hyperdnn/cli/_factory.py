"""Somebody's network by name: ``module:factory``, or ``path/to/file.py:factory``."""

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from hyperdnn.cli._usage import UsageError, usage
from hyperdnn.errors import ConfigError, nearest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["make_network"]

_T = TypeVar("_T")


def make_network(name: str) -> "nn.Module":
    """Import a module and call its factory, a function or a class, without arguments; a finished network will do too.

    What the user's code prints goes to the error stream, so that output that is data stays data.

    Args:
        name: ``package.module:factory`` from the working folder or wherever Python finds it, or a file's path.

    Raises:
        UsageError: if the name cannot be meant: no such module or factory, or one that wants arguments.
        ConfigError: if the user's code fails.
    """
    from torch import nn

    place, _, attribute = name.rpartition(":")
    relative = place.startswith(".") and not place.endswith(".py")
    if not place or not attribute or relative:
        raise UsageError(f"'{name}': expected module:factory or path/to/file.py:factory, such as models.cnn:make.")
    with contextlib.redirect_stdout(sys.stderr), _working_folder_first():
        module = _import_file(Path(place)) if place.endswith(".py") else _import(place)
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        if not hasattr(module, attribute):
            raise UsageError(f"'{place}' has no '{attribute}'.{nearest(attribute, known)}")
        made = getattr(module, attribute)
        if not isinstance(made, nn.Module):
            made = _call(name, made)
    if not isinstance(made, nn.Module):
        raise UsageError(f"'{name}' returned {type(made).__name__}, expected an nn.Module.")
    return made


def _call(name: str, factory: object) -> object:
    if not callable(factory):
        raise UsageError(f"'{name}' is {type(factory).__name__}, expected a function or class that makes an nn.Module.")
    try:
        wanted = [p.name for p in inspect.signature(factory).parameters.values() if _is_required(p)]
    except ValueError:  # a builtin without a signature says what it wants when it is called
        wanted = []
    if wanted:
        raise UsageError(
            f"'{name}' wants {', '.join(wanted)}, but is called without arguments. "
            "Write a function without any that calls it."
        )
    return _attempt(f"'{name}' failed", factory)


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return parameter.default is inspect.Parameter.empty and not variadic


def _import(place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{place}.".startswith(f"{missing}."):
            raise UsageError(f"no module '{missing}'. For a file write its path: path/to/file.py:factory.") from None
        raise ConfigError(f"'{place}' cannot be imported: {_said(error)}") from None


def _import_file(path: Path) -> ModuleType:
    with usage():
        if not path.is_file():
            raise UsageError(f"no file '{path}'.")
    name = f"_planned_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the ending .py says how to load it
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look the module up
    load = spec.loader.exec_module
    with _first(str(path.resolve().parent)):
        _attempt(f"'{path}' cannot be imported", lambda: load(module))
    return module


def _attempt(what: str, run: Callable[[], _T]) -> _T:
    """The user's code may fail in any way, a call of ``sys.exit`` included."""
    try:
        return run()
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{what}: {_said(error)}") from None


def _said(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


@contextlib.contextmanager
def _first(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _working_folder_first() -> contextlib.AbstractContextManager[None]:
    return _first(str(Path.cwd()))  # an installed command does not look there by itself
