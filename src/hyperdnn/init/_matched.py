"""The default rule: start as the target would have started."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from hyperdnn.layout import ParamLayout

__all__ = ["Init", "Moments", "matched", "naive"]


class Moments(NamedTuple):
    """Mean and standard deviation of one generated tensor at the start."""

    mean: float
    std: float


Init: TypeAlias = Callable[[ParamLayout], tuple[Moments, ...]]
"""A rule: layout -> the moments of each tensor, in layout order."""


def matched(layout: ParamLayout) -> tuple[Moments, ...]:
    """Mean and deviation that the target's own initialisation gave, tensor by tensor; a change starts at zero."""
    return tuple(Moments(spec.init_mean, spec.init_std) for spec in layout)


def naive(layout: ParamLayout) -> tuple[Moments, ...]:
    """Unit variance everywhere: what a head of ordinary linear layers does. For comparison, not for use.

    Each layer of the target then multiplies the variance of its input by its fan-in.

    Source:
        Chang, Flokas & Lipson, "Principled Weight Initialization for Hypernetworks", ICLR 2020, section 3.
    """
    return tuple(Moments(0.0, 1.0) for _ in layout)
