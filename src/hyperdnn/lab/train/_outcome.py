"""What training comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

__all__ = ["Outcome"]


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a loop returns.

    Args:
        metrics: numbers by name.
        arrays: nested lists by name, for figures; None stands where there is no number.
    """

    metrics: Mapping[str, float]
    arrays: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Outcome":
        """What an evaluation found: lists are arrays."""
        arrays = {name: value for name, value in found.items() if isinstance(value, list)}
        return cls(metrics={name: value for name, value in found.items() if name not in arrays}, arrays=arrays)
