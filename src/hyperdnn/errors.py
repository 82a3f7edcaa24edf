"""What can go wrong, by name.

Each message names the thing, what was expected, what came, and the way out. Every class is also the built-in exception
that a reader would expect (`ValueError`, `ImportError`), so existing ``except`` clauses keep working.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Any

__all__ = [
    "BatchingError",
    "BufferPolicyError",
    "CheckpointError",
    "CheckpointWarning",
    "ConfigError",
    "ContextError",
    "ExportError",
    "GeneratorWarning",
    "HyperDNNError",
    "LayoutError",
    "MissingExtraError",
    "nearest",
]


class HyperDNNError(Exception):
    """Base of every error that hyperdnn raises on purpose."""


class LayoutError(HyperDNNError, ValueError):
    """Weights, layouts and targets that do not fit each other: a wrong name, a wrong shape, an empty selection."""


class ContextError(HyperDNNError, ValueError):
    """A context that the encoder cannot take, or a number of contexts that does not fit the data."""


class BatchingError(HyperDNNError, ValueError):
    """A call whose contexts and data cannot be mapped together, or an operator that cannot be vectorised."""


class BufferPolicyError(HyperDNNError, ValueError):
    """Running statistics without a policy, or a policy that a call cannot honour."""


class ConfigError(HyperDNNError, ValueError):
    """Parts that do not fit together, an unknown name, or a setting of the wrong type."""


class CheckpointError(HyperDNNError, ValueError):
    """A saved model or a checkpoint that is damaged, foreign, or of another version."""


class ExportError(HyperDNNError, ValueError):
    """A network that a format cannot express, or a file that computes something else than the network."""


class CheckpointWarning(UserWarning):
    """A checkpoint that is damaged and passed over: training goes on from the one before."""


class GeneratorWarning(UserWarning):
    """A generator that dies, or whose weights explode, with the remedy. Nothing has failed yet."""


class MissingExtraError(HyperDNNError, ImportError):
    """An optional dependency that is not installed.

    Args:
        package: what could not be imported.
        extra: the extra of hyperdnn that brings it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f'{package} is not installed. Type: pip install "hyperdnn[{extra}]"')

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(MissingExtraError, self.package, extra=self.extra), ()  # errors travel between processes


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice for a misspelt name: `` Did you mean 'x'?``, or all names if none is near and they are few."""
    names = list(known)
    matches = get_close_matches(name, names, n=1)
    if matches:
        return f" Did you mean '{matches[0]}'?"
    if names and len(names) <= 12:
        return " Known: " + ", ".join(f"'{n}'" for n in names) + "."
    return ""
