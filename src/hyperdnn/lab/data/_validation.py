"""Data without their test part, for whoever chooses settings."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from hyperdnn.errors import ConfigError

__all__ = ["on_validation"]


def on_validation(data: Any) -> Any:
    """The same data, in which the validation part also stands in the place of the test part.

    Whatever then evaluates on ``test`` evaluates on ``validation``, and nothing leads to the test part any more.

    Args:
        data: a `Task`, or any other dataclass with the fields ``validation`` and ``test``; also several of these, in
            lists, tuples, mappings and other dataclasses.

    Raises:
        ConfigError: there is no test part that could be replaced, no validation part to replace it with, or an empty
            one.
    """
    changed, found = _replaced(data)
    if not found:
        raise ConfigError(
            f"tuning: expected data with a test and a validation part, such as lab.data.Task, got "
            f"{type(data).__name__}. Without them, settings would be chosen on what is reported."
        )
    return changed


def _replaced(data: Any) -> tuple[Any, bool]:
    """The data, and whether a test part was in it."""
    if isinstance(data, Mapping):
        pairs = {key: _replaced(value) for key, value in data.items()}
        return {key: value for key, (value, _) in pairs.items()}, any(found for _, found in pairs.values())
    if isinstance(data, list | tuple) and not hasattr(data, "_fields"):
        items = [_replaced(value) for value in data]
        return type(data)(value for value, _ in items), any(found for _, found in items)
    if not is_dataclass(data) or isinstance(data, type):
        return data, False
    names = {f.name for f in fields(data)}
    if "test" not in names:
        parts = {f.name: _replaced(getattr(data, f.name)) for f in fields(data) if f.init}
        found = any(found for _, found in parts.values())
        return (replace(data, **{name: part for name, (part, _) in parts.items()}) if found else data), found
    validation: Any = getattr(data, "validation", None)
    name = getattr(data, "name", type(data).__name__)
    if validation is None:
        raise ConfigError(f"'{name}' has a test part, but no validation part to tune on.")
    if hasattr(validation, "__len__") and not len(validation):
        raise ConfigError(f"'{name}' has no samples in its validation part: nothing to tune on.")
    return replace(data, test=validation), True
