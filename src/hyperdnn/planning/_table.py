"""A plan as text, in at most 120 columns."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hyperdnn.planning._cost import Row

if TYPE_CHECKING:
    from hyperdnn.planning._plan import Plan

__all__ = ["render"]

_WIDTH = 120
_EXACT_BELOW = 10**8
_HEADINGS = (
    "strategy",
    "trained",
    "generated",
    "ratio",
    "memory",
    "+ context",
    "mult-adds",
    "time",
    "layers",
    "unused",
)
_NOTE = (
    "ratio: generated numbers for each parameter of the hypernet. memory: of training with Adam, and more for each "
    "context in a step, both without activations. mult-adds, time: to generate the weights of one context on "
    "{threads}{estimated}. layers: how many are made whole, from one row of features. unused: generated numbers that "
    "belong to no tensor."
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
    facts, blank = plan.facts, ("",) * (len(_HEADINGS) - 2)
    lines = [_HEADINGS, ("one network", _number(facts.one), *blank)]
    if facts.contexts > 1:
        lines.append(("separate networks", _number(facts.separate), *blank))
    lines += [_cells(row, plan) for row in plan.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line("→ " if cells[0] == plan.recommendation.answer else "  ", cells, widths) for cells in lines)


def _line(mark: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([mark + cells[0].ljust(widths[0]), *numbers]).rstrip()


def _cells(row: Row, plan: "Plan") -> tuple[str, ...]:
    return (
        row.strategy,
        _number(row.count.trained),
        _number(row.count.generated),
        _ratio(row.count.compression_ratio),
        _bytes(row.memory),
        _bytes(row.context_memory),
        _thousands(row.operations),
        ("" if row.measured else "~ ") + _seconds(row.seconds),
        f"{row.whole_layers} of {plan.layers}",
        _number(row.unused),
    )


def _notes(plan: "Plan") -> str:
    estimated = "" if all(row.measured for row in plan.rows) else ", ~ where estimated"
    note = _NOTE.format(threads=_plural(plan.threads, "thread"), estimated=estimated)
    notes = [note, *(f"{name} does not apply: {reason}." for name, reason in plan.refused.items())]
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


def _number(count: int) -> str:
    return f"{count:,}" if count < _EXACT_BELOW else _thousands(count)


def _ratio(value: float) -> str:
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def _thousands(count: int) -> str:
    return _scaled(count, 1000, ("", "k", "M", "G", "T", "P", "E"))


def _bytes(count: int) -> str:
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))


def _scaled(count: int, base: int, units: tuple[str, ...]) -> str:
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(units) - 1:
        value, unit = value / base, unit + 1
    return f"{value:.3g} {units[unit]}".rstrip()


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1e3 * value:.3g} ms" if value >= 1e-3 else f"{1e6 * value:.3g} us"
