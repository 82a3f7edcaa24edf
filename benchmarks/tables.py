"""Measurements as rows of text, for the page and for the documentation."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.estimates import judge
from benchmarks.plan import LABELS
from benchmarks.scaling import AT_MOST

__all__ = ["HEADINGS", "MISSING", "label", "markdown", "number", "verdicts"]

HEADINGS: Final = ("Work", "Who", "Quantity", "To reach", "Measured (95 % interval)", "Verdict")
MISSING: Final = "\N{EN DASH}"
_UNITS: Final = {"ratio": "", "milliseconds": " ms", "memory": "", "import": " s"}
_AXES: Final = {"size": "size of the target", "contexts": "number of contexts", "chunk": "size of a chunk"}
_QUANTITIES: Final = {"time_ms": "time", "peak_mb": "memory"}


def label(lineup: str) -> str:
    """A line-up's name for readers."""
    return LABELS.get(lineup, lineup)


def number(value: float) -> str:
    """Three digits, as many as such measurements bear; all digits of larger numbers."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def verdicts(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row for each figure to reach, in the order of `HEADINGS`."""
    workloads = results.get("comparison", {}).get("workloads", {})
    rows = [_limit(workload["title"], limit) for workload in workloads.values() for limit in workload["limits"]]
    return rows + list(_exponents(results.get("scaling", {}).get("curves", {})))


def markdown(results: Mapping[str, Any]) -> str:
    """The same as a table in Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in verdicts(results)]) + "\n"


def _limit(title: str, limit: Mapping[str, Any]) -> tuple[str, ...]:
    quantity, unit = limit["quantity"], _UNITS[limit["quantity"]]
    match quantity:
        case "ratio" if limit["best_peer"]:
            what = f"time / best peer ({label(limit['against'])})"
        case "ratio":
            what = f"time / {label(limit['against'])}"
        case "memory":
            what = "peak memory / generated weights"
        case _:
            what = "time"
    measured = _measured(limit["measured"], limit["interval"], unit)
    return (
        title,
        label(limit["lineup"]),
        what,
        f"≤ {limit['at_most']:g}{unit}",
        measured,
        _verdict(limit["verdict"], limit["measured"], limit["at_most"]),
    )


def _exponents(curves: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for curve in curves.values():
        threads = curve["points"][0]["threads"]
        for quantity, fit in curve["fits"].items():
            if not curve["linear"] or fit is None:
                continue
            interval = fit["low"], fit["high"]
            yield (
                f"Scaling with the {_AXES[curve['axis']]}, {threads} thread{'s' if threads > 1 else ''}",
                "hyperdnn",
                f"exponent of {_QUANTITIES[quantity]}",
                f"≤ {AT_MOST:g}",
                _measured(fit["exponent"], interval, ""),
                _verdict(judge(fit["exponent"], interval, AT_MOST), fit["exponent"], AT_MOST),
            )


def _measured(value: float | None, interval: tuple[float, float] | None, unit: str) -> str:
    if value is None:
        return MISSING
    between = f" ({number(interval[0])} to {number(interval[1])})" if interval else ""
    return f"{number(value)}{unit}{between}"


def _verdict(verdict: str, measured: float | None, at_most: float) -> str:
    if verdict == "missed" and measured is not None:
        return f"missed by {100 * (measured / at_most - 1):.0f} %"
    return verdict
