"""What numbers allow to be said: intervals of medians, exponents, verdicts."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Fit", "Verdict", "fit", "judge", "median_interval", "ratios"]

Verdict: TypeAlias = Literal["reached", "missed", "undecided", "not measured"]

_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
"""97.5 % quantiles of Student's distribution with 1, 2, 3, ... degrees of freedom."""


class Fit(NamedTuple):
    """A power law: its exponent, and the 95 % interval of it."""

    exponent: float
    low: float
    high: float


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round: what disturbs a round disturbs both sides of it."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """An interval that covers the true median in at least 95 % of cases, whatever the distribution.

    It reaches from the k-th smallest to the k-th largest value, k as large as the binomial distribution allows.

    Returns:
        The interval; None for fewer than six values, which allow none.
    """
    count, tail, k = len(values), 0.0, 0
    while (tail := tail + math.comb(count, k) / 2**count) <= 0.025:
        k += 1
    if k == 0:
        return None
    ordered = sorted(values)
    return ordered[k - 1], ordered[count - k]


def judge(measured: float | None, interval: tuple[float, float] | None, at_most: float) -> Verdict:
    """Hold a figure against its limit: the whole interval decides, the figure alone where there is none."""
    if measured is None:
        return "not measured"
    low, high = interval or (measured, measured)
    if high <= at_most:
        return "reached"
    return "missed" if low > at_most else "undecided"


def fit(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Least squares through the logarithms.

    Args:
        sizes: at least three, not all equal, positive.
        values: one for each, positive.
    """
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    slope, start = statistics.linear_regression(x, y)
    freedom = len(x) - 2
    residual = sum((b - start - slope * a) ** 2 for a, b in zip(x, y, strict=True)) / freedom
    spread = sum((a - statistics.fmean(x)) ** 2 for a in x)
    margin = _STUDENT[min(freedom, len(_STUDENT)) - 1] * math.sqrt(residual / spread)
    return Fit(slope, slope - margin, slope + margin)
