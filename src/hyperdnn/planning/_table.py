"""A plan as text, in at most 120 columns."""

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hyperdnn.planning._cost import Row

if TYPE_CHECKING:
    from hyperdnn.planning._plan import Plan

__all__ = ["render"]

_WIDTH = 120
_HEADINGS = (
    "strategy",
    "trained",
    "generated",
    "ratio",
    "memory",
    "mult-adds",
    "time",
    "whole layers",
    "unused",
)


def render(plan: "Plan") -> str:
    """Table, recommendation with its code, and open questions."""
    facts = plan.facts
    budget = "" if facts.budget is None else f", at most {facts.budget:,} trained numbers"
    head = (
        f"{plan.target}: {facts.weights:,} weights in {_plural(plan.layers, 'layer')}, "
        f"{_plural(facts.contexts, 'context')}, hidden {plan.hidden}{budget}"
    )
    parts = [head, _table(plan), _notes(plan), f"Recommended: {plan.recommendation.answer}"]
    parts[-1] += "\n" + "\n".join(_items((*plan.recommendation.reasons, *plan.advice)))
    fits = plan.recommendation.row
    if fits is not None:
        parts.append(f"The code of {fits.strategy}:\n\n{textwrap.indent(fits.code, '    ')}")
    if plan.questions:
        parts.append(_questions(plan))
    return "\n\n".join(parts)


def _table(plan: "Plan") -> str:
    facts, recommendation = plan.facts, plan.recommendation
    blank = ("",) * (len(_HEADINGS) - 2)
    lines = [
        (recommendation.use == "one network", ("one network", f"{facts.one:,}", *blank)),
        *((recommendation.use == "hypernet" and each is recommendation.row, _cells(each, plan)) for each in plan.rows),
    ]
    if facts.contexts > 1:
        cells = (f"{facts.contexts:,} separate networks", f"{facts.separate:,}", *blank)
        lines.insert(1, (recommendation.use == "separate networks", cells))
    widths = [max(len(cells[i]) for cells in (_HEADINGS, *(c for _, c in lines))) for i in range(len(_HEADINGS))]
    rows = [_line("  ", _HEADINGS, widths), *(_line("→ " if mark else "  ", cells, widths) for mark, cells in lines)]
    return "\n".join(rows)


def _line(mark: str, cells: Iterable[str], widths: list[int]) -> str:
    first, *rest = (f"{cell:<{width}}" if i == 0 else f"{cell:>{width}}" for i, (cell, width) in _zipped(cells, widths))
    return "  ".join([mark + first, *rest]).rstrip()


def _zipped(cells: Iterable[str], widths: list[int]) -> Iterable[tuple[int, tuple[str, int]]]:
    return enumerate(zip(cells, widths, strict=True))


def _cells(row: Row, plan: "Plan") -> tuple[str, ...]:
    return (
        row.strategy,
        f"{row.count.trained:,}",
        f"{row.count.generated:,}",
        f"{row.count.compression_ratio:.3g}",
        _bytes(row.memory),
        _thousands(row.operations),
        ("" if row.measured else "~ ") + _seconds(row.seconds),
        f"{row.whole_layers} of {plan.layers}",
        f"{row.unused:,}",
    )


def _notes(plan: "Plan") -> str:
    every = _plural(plan.facts.contexts, "context")
    notes = [
        f"ratio: generated numbers for each parameter of the hypernet; memory: of a training step with Adam and the "
        f"weights of {every}, without activations; mult-adds and time: to generate one context's weights on "
        f"{_plural(plan.threads, 'thread')}{', ~ estimated' if not all(row.measured for row in plan.rows) else ''}; "
        f"whole layers: made from one row of features; unused: generated numbers that belong to no tensor.",
        *(f"{name} does not apply: {reason}." for name, reason in plan.refused.items()),
    ]
    return "\n".join(textwrap.fill(note, _WIDTH, subsequent_indent="  ") for note in notes)


def _questions(plan: "Plan") -> str:
    lines = ["Open questions (needs=hd.planning.Needs(...)), and what their answers would change:"]
    for question in plan.questions:
        lines.append(f"  {question.name}: {question.text}")
        same = question.yes == question.no
        lines.append(f"    {f'either way: {question.yes}' if same else f'yes: {question.yes}   no: {question.no}'}")
    return "\n".join(lines)


def _items(sentences: Iterable[str]) -> list[str]:
    return [
        textwrap.fill(sentence, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        for sentence in sentences
    ]


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _bytes(count: int) -> str:
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def _thousands(count: int) -> str:
    return _scaled(count, 1000, ("", "k", "M", "G", "T", "P"))


def _scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    unit = 0
    while value >= 999.5 and unit < len(units) - 1:
        value, unit = value / base, unit + 1
    return f"{value:.3g} {units[unit]}".rstrip()


def _seconds(value: float) -> str:
    if value >= 1:
        return f"{value:.3g} s"
    return f"{1e3 * value:.3g} ms"
