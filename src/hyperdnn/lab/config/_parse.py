"""YAML of which nothing is taken that a configuration does not need."""

from types import ModuleType
from typing import Any

from hyperdnn.errors import ConfigError, MissingExtraError

__all__ = ["parse", "yaml_module"]

_DEEPEST = 20


def parse(text: str) -> Any:
    """The value of a YAML text: no objects, no references, no name twice.

    References could make a short text stand for a gigantic value, and of a name that comes twice YAML's reader drops
    the first value without a word.

    Raises:
        ConfigError: saying what is wrong, and where.
    """
    yaml = yaml_module()
    try:
        _check_events(yaml, text)
        _check_names(yaml, yaml.compose(text, Loader=yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # The reader's own slips over values that are not of their tag: 2001-99-99, !!int x, thousands of digits.
        raise ConfigError(f"not valid YAML: a value that cannot be read ({error}).") from None


def yaml_module() -> ModuleType:
    """PyYAML.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("pyyaml", extra="lab") from None
    return yaml


def _check_events(yaml: ModuleType, text: str) -> None:
    """What must be known before values are made, which takes stack and memory."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"line {event.start_mark.line + 1}: references (*{event.anchor}) are not taken.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ConfigError(f"line {event.start_mark.line + 1}: nested more than {_DEEPEST} deep.")


def _check_names(yaml: ModuleType, node: Any) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_names(yaml, item)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise ConfigError(f"line {key.start_mark.line + 1}: '{key.value}' stands there twice.")
            seen.add((key.tag, str(key.value)))
            _check_names(yaml, value)
