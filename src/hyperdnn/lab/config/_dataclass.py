"""Frozen dataclass <-> nested mapping, and changes by dotted name."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab.config._convert import convert

Config = TypeVar("Config")


def from_mapping(config_type: type[Config], mapping: Mapping[Any, object]) -> Config:
    """A configuration from names and values; what is not named keeps its default.

    A nested mapping changes the default of that field: ``{"train": {"iterations": 10}}`` keeps every other
    setting that the recipe gave to ``train``.

    Args:
        config_type: the dataclass.
        mapping: its fields, nested for fields that are dataclasses.

    Raises:
        ConfigError: an unknown name, a value of the wrong type, or a field without default and value.
    """
    return _build(config_type, mapping, "")


def to_mapping(config: object) -> dict[str, object]:
    """The configuration as nested dicts of plain values for YAML or JSON: tuples as lists, paths as text."""
    return {f.name: _plain(getattr(config, f.name)) for f in fields(config)}  # type: ignore[arg-type]


def flatten(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A nested mapping under dotted names: ``{"beta": 0.1, "train.iterations": 100}``."""
    flat: dict[str, Any] = {}
    for name, value in mapping.items():
        inner = flatten(value) if isinstance(value, Mapping) else {}
        flat |= {f"{name}.{key}": item for key, item in inner.items()} if inner else {name: value}
    return flat


def override(config: Config, changes: Mapping[str, object]) -> Config:
    """The configuration with some settings replaced.

    Args:
        config: stays as it is.
        changes: dotted names and values: ``{"beta": 0.1, "train.iterations": 100}``.

    Raises:
        ConfigError: an unknown name (with the nearest one), or a value of the wrong type.
    """
    nested: dict[str, Any] = {}
    for name, value in changes.items():
        hint_of(config, name)
        *folders, leaf = name.split(".")
        place = nested
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = value
    return _change(config, nested, "")


def hint_of(config: object, name: str) -> Any:
    """The annotation of the setting with this dotted name.

    Raises:
        ConfigError: there is no such setting; names the nearest.
    """
    known = setting_names(config)
    if name not in known:
        raise ConfigError(f"{type(config).__name__} has no setting '{name}'.{nearest(name, known)}")
    *folders, leaf = name.split(".")
    for folder in folders:
        config = getattr(config, folder)
    return get_type_hints(type(config))[leaf]


def setting_names(config: object) -> list[str]:
    """All settings by dotted name: ``["beta", "train", "train.iterations", ...]``."""
    return list(_names(config, ""))


def _names(config: object, prefix: str) -> Iterator[str]:
    for f in fields(config):  # type: ignore[arg-type]
        yield prefix + f.name
        value = getattr(config, f.name)
        if is_dataclass(value):
            yield from _names(value, f"{prefix}{f.name}.")


def _build(config_type: type[Config], mapping: Mapping[Any, object], prefix: str) -> Config:
    defaults = {f.name: _default(f) for f in fields(config_type)}  # type: ignore[arg-type]
    values = _values(config_type, mapping, defaults, prefix)
    for name, default in defaults.items():
        if default is MISSING and name not in values:
            raise ConfigError(f"{prefix}{name}: no value, and {config_type.__name__} has no default for it.")
    return config_type(**values)


def _change(config: Config, mapping: Mapping[Any, object], prefix: str) -> Config:
    current = {f.name: getattr(config, f.name) for f in fields(config)}  # type: ignore[arg-type]
    return replace(config, **_values(type(config), mapping, current, prefix))  # type: ignore[type-var]


def _values(
    config_type: type, mapping: Mapping[Any, object], current: Mapping[str, Any], prefix: str
) -> dict[str, Any]:
    """The mapping's values, converted; one for a nested dataclass is laid over the current instance."""
    hints = get_type_hints(config_type)
    values: dict[str, Any] = {}
    for name, value in mapping.items():
        if name not in current:
            raise ConfigError(f"{config_type.__name__} has no setting '{prefix}{name}'.{nearest(str(name), current)}")
        dotted, hint = f"{prefix}{name}", hints[name]
        if not isinstance(value, Mapping):
            values[name] = convert(value, hint, dotted)
        elif is_dataclass(current[name]):
            values[name] = _change(current[name], value, f"{dotted}.")
        elif is_dataclass(hint):
            values[name] = _build(cast("type[Any]", hint), value, f"{dotted}.")
        else:
            values[name] = convert(value, hint, dotted)
    return values


def _default(f: Field[Any]) -> Any:
    return f.default if f.default_factory is MISSING else f.default_factory()


def _plain(value: object) -> object:
    if is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value
