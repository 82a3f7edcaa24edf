"""The five questions that decide whether a hypernet fits at all."""

from dataclasses import asdict, dataclass, replace
from typing import Any, final

from hyperdnn.errors import ConfigError

__all__ = ["QUESTIONS", "Needs"]

QUESTIONS = {
    "related": "Are there related components (tasks, clients, domains, layers) that could learn from each other?",
    "data_adaptive": "Must the weights adapt to the data, instead of being fixed once training ends?",
    "dynamic_architecture": "Is the target's architecture open: not known yet, or different from call to call?",
    "parameter_efficiency": "Must fewer numbers be trained than a network for each context has?",
    "uncertainty": "Must predictions come with their uncertainty?",
}
"""Each field of `Needs` as a question."""


@final
@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is wanted of the hypernet: answers to the review's five questions; None leaves one open.

    Args:
        related: there are tasks, clients, domains or layers that could learn from each other.
        data_adaptive: weights must adapt to the data.
        dynamic_architecture: the target is not known yet, or changes from call to call.
        parameter_efficiency: fewer numbers must be trained than a network for each context has.
        uncertainty: predictions must come with their uncertainty.

    Raises:
        ConfigError: for an answer that is neither True, False nor None.

    Source:
        Chauhan, Zhou, Lu, Molaei & Clifton, "A Brief Review of Hypernetworks in Deep Learning", Artificial Intelligence
        Review 2024, section 5.
    """

    related: bool | None = None
    data_adaptive: bool | None = None
    dynamic_architecture: bool | None = None
    parameter_efficiency: bool | None = None
    uncertainty: bool | None = None

    def __post_init__(self) -> None:
        for name, answer in asdict(self).items():
            if answer is not None and not isinstance(answer, bool):
                raise ConfigError(f"Needs: {name}={answer!r}, expected True, False, or None for an open question.")

    @property
    def open(self) -> tuple[str, ...]:
        """The questions without an answer, by name."""
        return tuple(name for name, answer in asdict(self).items() if answer is None)

    @property
    def beyond_a_list(self) -> tuple[str, ...]:
        """What no list of plain networks can do, however long, and is needed."""
        return tuple(n for n in ("data_adaptive", "dynamic_architecture", "uncertainty") if getattr(self, n))

    def answered(self, name: str, *, yes: bool) -> "Needs":
        """The same needs with one more answer."""
        return replace(self, **{name: yes})

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        return asdict(self)
