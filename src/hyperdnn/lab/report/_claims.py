"""Claims as a reader sees them."""

from typing import Any

from hyperdnn.lab.report._format import asked, beside, heading, interval, published
from hyperdnn.lab.report._results import Verdict

__all__ = ["claim_row"]


def claim_row(verdict: Verdict) -> dict[str, Any]:
    """A claim and what came of it, in words and in the metric's unit.

    Returns:
        ``text``, ``what`` was compared, its ``bound``, what was ``measured``, ``published`` and in which ``source``,
        and whether it ``holds``.
    """
    variant, _, metric = verdict["metric"].partition("/")
    minus, over = verdict.get("minus", ""), verdict.get("over", "")
    unit = "" if over else metric  # a ratio has none
    against = f" minus {_named(minus)}" if minus else f" over {_named(over)}" if over else ""
    bounds, measured = (verdict["at_least"], verdict["at_most"]), verdict["measured"]
    bound = interval(unit, *bounds)
    return {
        "text": verdict["text"],
        "what": f"{variant}: {heading(metric)}{against}",
        "bound": f"{bound} in {asked(verdict)}" if "hold" in verdict else bound,
        "measured": "not measured" if measured is None else beside(unit, measured, bounds),
        "published": published(verdict["published"]),
        "source": verdict["source"],
        "holds": verdict["holds"],
    }


def _named(metric: str) -> str:
    variant, _, name = metric.partition("/")
    return f"{variant}: {heading(name)}"
