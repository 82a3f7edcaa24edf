"""Which settings are searched, in which values: as text, checked before anything is trained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final, get_args

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import override_from_text
from hyperdnn.lab.config._dataclass import hint_of

__all__ = ["Choice", "Range", "Space", "configured", "read_space"]

_EXAMPLES = "Write a range, such as 1e-4..1e-2:log or 2..8, or choices, such as 0.01,0.03,0.1."


@final
@dataclass(frozen=True, kw_only=True)
class Range:
    """All numbers between two bounds, these included; whole ones for a setting that counts.

    Args:
        low: the lower bound.
        high: the upper bound.
        log: search by magnitude: as much between 0.001 and 0.01 as between 0.01 and 0.1.
    """

    low: int | float
    high: int | float
    log: bool


@final
@dataclass(frozen=True, kw_only=True)
class Choice:
    """Some values, without an order.

    Args:
        texts: each as it is typed on the command line.
    """

    texts: tuple[str, ...]


Space: TypeAlias = Mapping[str, Range | Choice]
"""Dotted name of a setting -> its values."""


def read_space(space: Mapping[str, str], config: Any) -> Space:
    """What the text means for this configuration, each bound and each choice tried out.

    Args:
        space: dotted names of settings and their values, ``"low..high"``, ``"low..high:log"`` or ``"a,b,c"``.
        config: the recipe's configuration; every other setting is as it is there.

    Raises:
        ConfigError: nothing to search, an unknown setting (with the nearest one), text that is neither, bounds the
            wrong way or that a logarithm has not, or a value that the setting does not take.
    """
    if not space:
        raise ConfigError(f"nothing to search: expected a setting and its values. {_EXAMPLES}")
    found: dict[str, Range | Choice] = {}
    for name, text in space.items():
        hint = hint_of(config, name)
        if name == "seed":
            raise ConfigError("seed: a seed is not chosen. seeds=[0, 1, 2] trains every trial with several.")
        found[name] = _range(name, text, hint) if ".." in text and "," not in text else _choice(name, text)
        for value in _extremes(found[name]):
            configured(config, {name: value})
    return found


def configured(config: Any, values: Mapping[str, str | int | float]) -> Any:
    """The configuration with these values in it, as if they had been typed."""
    return override_from_text(config, {name: str(value) for name, value in values.items()})


def _extremes(values: Range | Choice) -> tuple[str | int | float, ...]:
    return values.texts if isinstance(values, Choice) else (values.low, values.high)


def _range(name: str, text: str, hint: Any) -> Range:
    bounds, _, scale = text.partition(":")
    low, _, high = bounds.partition("..")
    if scale not in {"", "log"}:
        raise ConfigError(f"{name}: '{text}' ends in ':{scale}', expected ':log' or nothing.")
    kinds = {*get_args(hint), hint} & {int, float}
    if not kinds:
        raise ConfigError(f"{name}: '{text}' is a range, and this setting is no number. Write choices: a,b,c.")
    kind = float if float in kinds else int
    found = Range(low=_number(name, low, text, kind), high=_number(name, high, text, kind), log=scale == "log")
    if found.low > found.high:
        raise ConfigError(f"{name}: '{text}' has its bounds the wrong way round. Write {high}..{low}.")
    if found.low == found.high:
        raise ConfigError(f"{name}: '{text}' leaves nothing to choose. Set it to {low} instead.")
    if found.log and found.low <= 0:
        raise ConfigError(f"{name}: '{text}' has no logarithm at {low}. Begin above 0, or leave out ':log'.")
    return found


def _number(name: str, bound: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        number = kind(bound)
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ConfigError(f"{name}: '{text}': expected {what} as bounds, got '{bound}'. {_EXAMPLES}") from None
    if not math.isfinite(number):
        raise ConfigError(f"{name}: '{text}': expected finite bounds, got '{bound}'.")
    return number


def _choice(name: str, text: str) -> Choice:
    texts = _split(text)
    if "" in texts:
        raise ConfigError(f"{name}: '{text}' has an empty choice. {_EXAMPLES}")
    if len(texts) < 2:
        raise ConfigError(f"{name}: '{text}' is neither a range nor a choice. {_EXAMPLES}")
    for choice in texts:
        if texts.count(choice) > 1:
            raise ConfigError(f"{name}: '{text}' offers '{choice}' twice.")
    return Choice(texts=tuple(texts))


def _split(text: str) -> list[str]:
    """Parts between commas; those inside brackets stay: ``"[64, 64],[128]"``."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
