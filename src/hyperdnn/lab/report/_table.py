"""Results as tables: for a terminal, and for the README."""

import io
import shutil
from collections.abc import Iterator, Sequence
from textwrap import fill, wrap
from typing import Final

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.report._format import MISSING, asked, columns, command, describe, heading, published
from hyperdnn.lab.report._results import Record, Results, Verdict, measured

__all__ = ["grid", "markdown", "markdown_rows", "table"]

_TITLES: Final = ("System", "Setting", "Metric", "Ours", "Baselines", "Published", "Verdict", "Command")
_HEADING: Final = 12  # letters in a line of a heading, as many as a percentage with its spread


def table(results: Results, *, width: int | None = None) -> str:
    """One row for each variant, one column for each metric, mean ± spread over the seeds; then the claims.

    Args:
        results: one experiment.
        width: in characters; the terminal's by default. Names and headings wrap to it, numbers do not.
    """
    found = measured(results)
    names = columns(found)
    cells = {variant: [describe(name, metrics.get(name)) for name in names] for variant, metrics in found.items()}
    lines = [grid(["variant", *map(heading, names)], [[name, *row] for name, row in cells.items()], width=width)]
    width = width or shutil.get_terminal_size().columns
    lines += [fill(f"{'✓' if verdict['holds'] else '✗'} {verdict['text']}", width) for verdict in results["claims"]]
    return "\n".join(lines)


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Names on the left, numbers on the right.

    Args:
        headings: of the columns, the names' first.
        rows: with the names first.
        width: as for `table`.
    """
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError as error:
        raise MissingExtraError("rich", extra="lab") from error
    first, *others = headings
    titles = ["\n".join(wrap(title, _HEADING)) for title in others]
    lines = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    lines.add_column(first)
    for title in titles:
        # broken above, so that only the names of the rows are left for rich to wrap
        lines.add_column(Text(title), justify="right", no_wrap=True)
    for name, *cells in rows:
        lines.add_row(Text(name), *cells)
    output = io.StringIO()
    width = max(width or shutil.get_terminal_size().columns, _least_width(first, titles, rows))
    Console(file=output, width=width, color_system=None).print(lines)
    # rich pads each line to the table's width
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()).strip("\n")


def _least_width(first: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Letters in the narrowest line of the table: beyond a narrower terminal, but without a number broken in two."""
    names = max(len(word) for name in (first, *(row[0] for row in rows)) for word in name.split())
    content = zip(map(str.splitlines, titles), *(row[1:] for row in rows), strict=True)
    numbers = [max(map(len, [*lines, *column])) for lines, *column in content]
    return names + sum(numbers) + 2 * len(numbers) + 2


def markdown(records: Sequence[Record]) -> str:
    """The README's table: one row for each metric that a recipe claims something about, in each setting.

    "Ours" is the recipe's first variant. The verdict covers all claims about the metric, the baselines' among
    them.

    Args:
        records: the contents of ``results/**/*.json``, in the order of the rows.
    """
    rows = [row for record in records for results in record["experiments"] for row in _rows(results)]
    return "\n".join(markdown_rows(_TITLES, rows)) + "\n"


def markdown_rows(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, whatever is in its cells."""
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    return lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]


def _rows(results: Results) -> Iterator[tuple[str, ...]]:
    if not results["metrics"]:
        return
    ours, *baselines = results["metrics"]
    for metric in dict.fromkeys(claim["metric"].partition("/")[2] for claim in results["claims"]):
        claims = [claim for claim in results["claims"] if claim["metric"].partition("/")[2] == metric]
        values = {name: describe(metric, metrics.get(metric)) for name, metrics in measured(results).items()}
        yield (
            results["recipe"],
            results["setting"] or "default",
            heading(metric),
            values[ours],
            ", ".join(f"{name} {values[name]}" for name in baselines if values[name] != MISSING) or MISSING,
            _published(claims, f"{ours}/{metric}"),
            _outcome(claims),
            f"`{command(results)}`",
        )


def _outcome(claims: Sequence[Verdict]) -> str:
    failed = [claim for claim in claims if not claim["holds"]]
    if not failed:
        return "reproduced"
    if all("hold" in claim for claim in failed):
        return f"not in this setting; claimed in {asked(failed[0])}"
    return "not reproduced"


def _published(claims: Sequence[Verdict], metric: str) -> str:
    # a published difference or ratio is not to stand beside our number
    alone = [claim for claim in claims if claim["metric"] == metric and not claim.keys() & {"minus", "over"}]
    figures = [claim for claim in alone if claim["published"] is not None]
    return published(figures[0]["published"]) if figures else MISSING


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
