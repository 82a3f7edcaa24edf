"""The report page: one HTML file that loads nothing and says everything about one experiment."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, final

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.config import flatten
from hyperdnn.lab.report._claims import claim_row
from hyperdnn.lab.report._format import (
    MISSING,
    columns,
    command,
    describe,
    heading,
    plain,
)
from hyperdnn.lab.report._results import Environment, Results, measured
from hyperdnn.lab.report._svg import Figure

__all__ = ["Page", "duration", "facts", "inline", "put", "render", "write", "write_page"]


@final
@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page says besides its figures.

    Args:
        recipe: its title.
        subtitle: below it.
        summary: what was done and what came of it.
        headings: of the table's columns.
        rows: of the table, the names first.
        config: nested settings and their values.
        environment: where it was made.
        command: which makes it again.
        reproduced: the verdict, if there is one.
        claims: each as the template wants it.
    """

    recipe: str
    subtitle: str
    summary: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    command: str
    reproduced: bool | None = None
    claims: Sequence[Mapping[str, Any]] = ()


def write_page(results: Results, folder: Path, figures: Sequence[Figure] = (), *, made_by: str | None = None) -> Path:
    """Write ``report.html``: verdict, table, claims, figures, configuration, environment.

    The page holds its pictures and its style, so it can be mailed or archived as it is.

    Args:
        results: one experiment.
        folder: where the page goes; made if missing.
        figures: in the order of the page.
        made_by: the command that makes the results again; by default ``hyperdnn reproduce`` in the same
            setting.

    Returns:
        The path of the page.
    """
    found = measured(results)
    names = columns(found)
    page = Page(
        recipe=results["recipe"],
        subtitle=f"setting {results['setting'] or 'default'}",
        summary=f"{results.get('summary', '')} {_sentence(results)}",
        headings=["variant", *map(heading, names)],
        rows=[[variant, *(describe(name, metrics.get(name)) for name in names)] for variant, metrics in found.items()],
        config=results["config"],
        environment=facts(results, results["seeds"], results["wall_time_s"]),
        command=made_by or command(results),
        reproduced=results["reproduced"],
        claims=[claim_row(verdict) for verdict in results["claims"]],
    )
    return write(page, folder, figures)


def write(page: Page, folder: Path, figures: Sequence[Figure]) -> Path:
    """Write what `write_page` and the page of a tuning have in common.

    Args:
        page: what it says.
        folder: where ``report.html`` goes; made if missing.
        figures: in the order of the page.

    Returns:
        The path of the page.
    """
    content = {f.name: getattr(page, f.name) for f in fields(page)}
    content["config"] = {name: plain(value) for name, value in flatten(page.config).items()}
    content["figures"] = inline(figures)
    return put(render("page.html.j2", content), folder / "report.html")


def render(template: str, content: Mapping[str, Any]) -> str:
    """A template of this folder, filled in."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", extra="lab") from error
    folder = resources.files(__package__)
    loader = jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**content)


def put(text: str, path: Path) -> Path:
    """Write a page, its folder too if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _sentence(results: Results) -> str:
    variants, seeds = len(results["metrics"]), results["seeds"]
    held = sum(verdict["holds"] for verdict in results["claims"])
    claims = len(results["claims"])
    outcome = (
        f"Of {_many(claims, 'claim')} of the publication, {held} held." if claims else "This setting carries no claim."
    )
    over = f"over {_many(len(seeds), 'seed')}" if len(seeds) != 1 else f"with seed {seeds[0]}"
    return f"{_many(variants, 'variant')}, trained {over} in {duration(results['wall_time_s'])}. {outcome}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """A time in the unit that a reader would choose."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def inline(figures: Sequence[Figure], *, first: int = 0) -> list[dict[str, Any]]:
    """Figures with their pictures as markup; identifiers are made unique among a page's figures, counted from first."""
    return [_figure(figure, k) for k, figure in enumerate(figures, first)]


def _figure(figure: Figure, k: int) -> dict[str, Any]:
    from markupsafe import Markup, escape

    if isinstance(figure.image, bytes):
        data = base64.b64encode(figure.image).decode("ascii")
        image = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, figure.alt)
    else:
        unique = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<0>f{k}-", figure.image)
        image = Markup(unique.replace("<svg", f'<svg role="img" aria-label="{escape(figure.alt)}"', 1))
    return {"title": figure.title, "caption": figure.caption, "image": image}


def facts(environment: Environment, seeds: Sequence[int], seconds: float) -> dict[str, str]:
    """Where and how long something was computed, for readers."""
    commit, dash, state = (environment["commit"] or MISSING).partition("-")
    return {
        **environment["versions"],
        "commit": commit[:12] + dash + state,
        "device": environment["device"],
        "threads": str(environment["threads"]),
        "seeds": ", ".join(map(str, seeds)) or MISSING,
        "wall time": duration(seconds),
    }
