"""A plain value, as YAML has it, becomes a value of an annotated type, or an error that names the setting."""

import math
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from hyperdnn.errors import ConfigError

_BEYOND = 2**63  # what torch counts with


def convert(value: object, hint: Any, name: str) -> Any:
    """The value as the annotation wants it: lists become tuples, whole numbers floats, where these are meant.

    A class that is not listed here takes its own instances only.

    Args:
        value: what was given.
        hint: the annotation, as `typing.get_type_hints` gives it.
        name: the setting's dotted name, for errors.

    Raises:
        ConfigError: the value does not fit.
    """
    origin = get_origin(hint) or hint
    if origin in _CONVERTERS:
        return _CONVERTERS[origin](value, hint, name)
    if isinstance(origin, type) and isinstance(value, origin):
        return value
    raise mismatch(value, hint, name)


def mismatch(value: object, hint: Any, name: str) -> ConfigError:
    """The error for a value that does not fit its annotation."""
    return ConfigError(f"{name}: expected {describe(hint)}, got {_shown(value)}.")


def _shown(value: object) -> str:
    """A value in an error, of which only the beginning may be of use."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python is ready to write
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}..."


def describe(hint: Any) -> str:
    """The annotation in a reader's words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is type(None):
        return "null"
    if origin is Literal:
        return " or ".join(repr(argument) for argument in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(describe(argument) for argument in arguments)
    if origin is not None and issubclass(origin, Mapping):
        return f"mapping to {describe(arguments[1])}"
    if origin is tuple and arguments[-1] is not Ellipsis:
        return "[" + ", ".join(describe(argument) for argument in arguments) + "]"
    if origin is not None and issubclass(origin, Sequence):
        return f"list of {describe(arguments[0])}"
    return {bool: "true or false", float: "number", int: "whole number", str: "text"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


def _anything(value: object, hint: Any, name: str) -> object:
    return value


def _number(value: object, hint: Any, name: str) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)  # YAML 1.1 reads 1e-3, without a dot, as text
        except (ValueError, OverflowError):
            raise mismatch(value, hint, name) from None
        if not math.isfinite(number):
            raise ConfigError(f"{name}: expected a finite number, got {_shown(value)}.")
        return number
    raise mismatch(value, hint, name)


def _whole_number(value: object, hint: Any, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if not -_BEYOND <= value < _BEYOND:
            raise ConfigError(f"{name}: expected a whole number of 64 bits, got {_shown(value)}.")
        return value
    raise mismatch(value, hint, name)


def _path(value: object, hint: Any, name: str) -> Path:
    if isinstance(value, str | Path):
        return Path(value)
    raise mismatch(value, hint, name)


def _choice(value: object, hint: Any, name: str) -> object:
    for choice in get_args(hint):
        if type(choice) is type(value) and choice == value:
            return choice
    raise mismatch(value, hint, name)


def _one_of_types(value: object, hint: Any, name: str) -> object:
    members = get_args(hint)
    for member in sorted(members, key=lambda member: type(value) is not member):  # its own type first: 1 is no float
        try:
            return convert(value, member, name)
        except ConfigError:
            continue
    raise mismatch(value, hint, name)


def _tuple(value: object, hint: Any, name: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise mismatch(value, hint, name)
    members = get_args(hint)
    if not members:
        return tuple(value)
    if members[-1] is Ellipsis:
        members = (members[0],) * len(value)
    if len(members) != len(value):
        raise mismatch(value, hint, name)
    return tuple(convert(v, m, f"{name}[{i}]") for i, (v, m) in enumerate(zip(value, members, strict=True)))


def _list(value: object, hint: Any, name: str) -> list[object]:
    if not isinstance(value, list | tuple):
        raise mismatch(value, hint, name)
    member = (*get_args(hint), Any)[0]
    return [convert(v, member, f"{name}[{i}]") for i, v in enumerate(value)]


def _mapping(value: object, hint: Any, name: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise mismatch(value, hint, name)
    member = (*get_args(hint), Any, Any)[1]
    return {str(key): convert(v, member, f"{name}.{key}") for key, v in value.items()}


_CONVERTERS: dict[Any, Callable[[object, Any, str], Any]] = {
    Any: _anything,
    object: _anything,
    float: _number,
    int: _whole_number,
    Path: _path,
    Literal: _choice,
    Union: _one_of_types,
    types.UnionType: _one_of_types,
    tuple: _tuple,
    list: _list,
    Sequence: _tuple,
    dict: _mapping,
    Mapping: _mapping,
}
