"""Configurations in YAML files, and settings typed as text."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config._convert import convert
from hyperdnn.lab.config._dataclass import from_mapping, hint_of, override, to_mapping
from hyperdnn.lab.config._parse import parse, yaml_module

Config = TypeVar("Config")

_LONGEST = 100_000  # characters of a file


def read_yaml(config_type: type[Config], path: Path) -> Config:
    """A configuration from a file; what the file does not name keeps its default.

    Args:
        config_type: the dataclass.
        path: a YAML file with the dataclass's fields as keys.

    Raises:
        ConfigError: the file is absent, is no YAML mapping, or does not fit the dataclass; names the file.
    """
    try:
        mapping = parse(_text(path))
        if mapping is None:
            mapping = {}
        if not isinstance(mapping, Mapping):
            raise ConfigError(f"expected 'name: value' lines, got {type(mapping).__name__}.")
        return from_mapping(config_type, mapping)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def write_yaml(config: object, path: Path) -> None:
    """Writes every setting of the configuration, in the order of its fields."""
    path.write_text(yaml_module().safe_dump(to_mapping(config), sort_keys=False), encoding="utf-8")


def override_from_text(config: Config, changes: Mapping[str, str]) -> Config:
    """`override` with values as typed on a command line: YAML where the setting takes it, else plain text.

    Args:
        config: stays as it is.
        changes: dotted names and texts: ``{"beta": "1e-3", "hidden": "[64, 64]", "source": "digits"}``.

    Raises:
        ConfigError: an unknown name (with the nearest one), or a text that does not fit.
    """
    values = {name: _typed(text, hint_of(config, name), name) for name, text in changes.items()}
    return override(config, values)


def _typed(text: str, hint: Any, name: str) -> object:
    try:
        value = parse(text)
    except ConfigError:
        value = text
    if is_dataclass(hint):
        return value
    try:
        return convert(value, hint, name)
    except ConfigError as error:
        try:
            return convert(text, hint, name)  # a word that YAML takes for a number or a truth value: 007, yes
        except ConfigError:
            raise error from None


def _text(path: Path) -> str:
    """What a file holds, if it is one: a device or a pipe may have no end."""
    try:
        if not path.is_file():
            raise ConfigError("expected a file, found something else." if path.exists() else "no such file.")
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except ConfigError:
        raise
    except (OSError, ValueError) as error:  # ValueError: not text, or a path with a null byte
        raise ConfigError(f"cannot be read ({error}).") from None
    if len(text) > _LONGEST:
        raise ConfigError(f"longer than {_LONGEST:,} characters: no configuration is.")
    return text
