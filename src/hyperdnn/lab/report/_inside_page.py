"""The page that shows what is inside a trained model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from hyperdnn.inspect import Statistics
from hyperdnn.lab.report._html import inline, put, render
from hyperdnn.lab.report._svg import Figure

__all__ = ["InsidePage", "Section", "write_inside"]

_HEADINGS: Final = (
    "tensor",
    "numbers",
    "norm (least to most)",
    "spread between contexts",
    "spread within a context",
    "difference (% of size)",
    "effective rank",
    "mean cosine",
)


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """Figures that belong together.

    Args:
        title: above them.
        figures: in order.
        notes: below them: what could not be shown, and why.
    """

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()


@final
@dataclass(frozen=True, kw_only=True)
class InsidePage:
    """What the page says.

    Args:
        recipe: its title.
        subtitle: below it.
        troubles: what should not be, each in words; empty if nothing was found.
        summary: paragraphs that say what the figures show.
        sections: the figures.
        statistics: for the table of tensors.
        command: which makes the page again.
        facts: about the model.
    """

    recipe: str
    subtitle: str
    troubles: Sequence[str]
    summary: Sequence[str]
    sections: Sequence[Section]
    statistics: Statistics
    command: str
    facts: Mapping[str, str]


def write_inside(page: InsidePage, path: Path) -> Path:
    """Write a page that holds its pictures and its style, so that it can be mailed or archived as it is.

    Args:
        page: what it says.
        path: of the file; its folder is made if missing.

    Returns:
        The path.
    """
    sections, first = [], 0
    for section in page.sections:
        figures = inline(section.figures, first=first)
        sections.append({"title": section.title, "figures": figures, "notes": section.notes})
        first += len(figures)
    content = {
        "recipe": page.recipe,
        "subtitle": page.subtitle,
        "troubles": list(page.troubles),
        "summary": list(page.summary),
        "sections": sections,
        "headings": _HEADINGS,
        "rows": _rows(page.statistics),
        "command": page.command,
        "facts": page.facts,
    }
    return put(render("inside.html.j2", content), path)


def _rows(found: Statistics) -> list[list[str]]:
    return [
        [
            tensor.name,
            f"{tensor.numbers:,}",
            f"{float(tensor.norms.mean()):.3g} ({float(tensor.norms.min()):.3g} to {float(tensor.norms.max()):.3g})",
            *map(_shown, (tensor.between, tensor.within, 100 * tensor.variation, tensor.rank, tensor.cosine)),
        ]
        for tensor in (*found.tensors, found.whole)
    ]


def _shown(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "\N{EN DASH}"
