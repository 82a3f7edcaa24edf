"""How metrics are called and written, the same in every table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from hyperdnn.lab.report._results import Results, Summary, Verdict

__all__ = [
    "MISSING",
    "asked",
    "beside",
    "columns",
    "command",
    "describe",
    "heading",
    "interval",
    "number",
    "plain",
    "published",
    "shown",
]

MISSING: Final = "\N{EN DASH}"
_MOST_DIGITS: Final = 8  # more than usual
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "during_accuracy": "accuracy while learning",
        "final_accuracy": "accuracy at the end",
        "trained_parameters": "trained parameters",
        "generated_parameters": "generated numbers",
    }
)


def heading(metric: str) -> str:
    """A metric's name for readers, with its unit: ``final_accuracy`` -> "accuracy at the end (%)"."""
    name = _NAMES.get(metric, metric.replace("_", " "))
    if metric == "forgetting":
        return f"{name} (points)"  # a difference of percentages
    return f"{name} (%)" if _is_fraction(metric) else name


def number(metric: str, value: float | int | None, *, more: int = 0) -> str:
    """A value of the metric, in the unit of its heading, with so many digits more than usual."""
    if value is None or not math.isfinite(value):
        return MISSING
    if _is_fraction(metric):
        return f"{100 * value:.{2 + more}f}"
    if _is_count(metric):
        return f"{value:,.{more}f}"
    return f"{value:.{4 + more}g}"


def beside(metric: str, value: float | int, bounds: Sequence[float | int | None]) -> str:
    """A value with as many digits as it takes to see on which side of its bounds it lies."""
    others = {bound for bound in bounds if bound is not None and bound != value}
    texts = (number(metric, value, more=more) for more in range(_MOST_DIGITS))
    return next(
        (text for more, text in enumerate(texts) if text not in {number(metric, o, more=more) for o in others}),
        number(metric, value),
    )


def shown(metric: str, value: float) -> float:
    """A value of the metric as a number in the unit of its heading, for axes."""
    return 100 * value if _is_fraction(metric) else value


def describe(metric: str, summary: Summary | None) -> str:
    """Mean ± spread of the metric; the mean alone for one seed, or where all seeds agree."""
    if summary is None:
        return MISSING
    mean, spread = number(metric, summary["mean"]), summary["spread"]
    return f"{mean} ± {number(metric, spread)}" if spread and mean != MISSING else mean


def interval(metric: str, at_least: float | int | None, at_most: float | int | None) -> str:
    """The bound of a claim."""
    bounds = [
        f"{sign} {number(metric, bound)}" for sign, bound in (("≥", at_least), ("≤", at_most)) if bound is not None
    ]
    return ", ".join(bounds) or MISSING


def asked(verdict: Verdict) -> str:
    """In how many settings a claim about several must hold."""
    return f"{verdict['hold']} of {len(verdict['settings'])} settings"


def published(value: float | int | None) -> str:
    """A published figure, as it was printed: a percentage where the heading says so."""
    return MISSING if value is None else f"{value:g}"


def plain(value: object) -> str:
    """A configuration value."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)


def columns(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """All metrics of all variants, in the order in which they first come."""
    names: Iterable[str] = (name for variant in metrics.values() for name in variant)
    return list(dict.fromkeys(names))


def command(results: Results) -> str:
    """The command that makes the results again."""
    setting = results["setting"]
    option = f" --setting {setting}" if setting not in {"", "default"} else ""
    return f"hyperdnn reproduce {results['recipe']}{option} --seeds {_count(results['seeds'])}"


def _count(seeds: Sequence[int]) -> int:
    return max(len(seeds), 1)


def _is_fraction(metric: str) -> bool:
    return metric.removesuffix("_interval").endswith("accuracy") or metric == "forgetting"


def _is_count(metric: str) -> bool:
    return metric.endswith("_parameters") or metric.startswith("num_")
