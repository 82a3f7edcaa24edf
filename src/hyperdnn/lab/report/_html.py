"""The report page: one HTML file that loads nothing and says everything about one experiment."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.report._format import (
    MISSING,
    columns,
    command,
    describe,
    heading,
    interval,
    number,
    plain,
    published,
)
from hyperdnn.lab.report._results import Results, Verdict, measured
from hyperdnn.lab.report._svg import Figure

__all__ = ["write_page"]


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
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", extra="lab") from error
    source = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(source)
    found = measured(results)
    names = columns(found)
    page = template.render(
        recipe=results["recipe"],
        setting=results["setting"] or "default",
        summary=results.get("summary", ""),
        sentence=_sentence(results),
        reproduced=results["reproduced"],
        headings=[heading(name) for name in names],
        rows={variant: [describe(name, metrics.get(name)) for name in names] for variant, metrics in found.items()},
        claims=[_claim(verdict) for verdict in results["claims"]],
        figures=[_figure(figure, k) for k, figure in enumerate(figures)],
        config=dict(_flat(results["config"])),
        environment=_environment(results),
        command=made_by or command(results),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _sentence(results: Results) -> str:
    variants, seeds = len(results["metrics"]), results["seeds"]
    held = sum(verdict["holds"] for verdict in results["claims"])
    claims = len(results["claims"])
    outcome = (
        f"Of {_many(claims, 'claim')} of the publication, {held} held." if claims else "This setting carries no claim."
    )
    over = f"over {_many(len(seeds), 'seed')}" if len(seeds) != 1 else f"with seed {seeds[0]}"
    return f"{_many(variants, 'variant')}, trained {over} in {_duration(results['wall_time_s'])}. {outcome}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _claim(verdict: Verdict) -> dict[str, Any]:
    variant, _, metric = verdict["metric"].partition("/")
    minus, over = verdict.get("minus", ""), verdict.get("over", "")
    unit = "" if over else metric  # a ratio has none
    against = f" minus {_named(minus)}" if minus else f" over {_named(over)}" if over else ""
    return {
        "text": verdict["text"],
        "what": f"{variant}: {heading(metric)}{against}",
        "bound": interval(unit, verdict["at_least"], verdict["at_most"]),
        "measured": "not measured" if verdict["measured"] is None else number(unit, verdict["measured"]),
        "published": published(verdict["published"]),
        "source": verdict["source"],
        "holds": verdict["holds"],
    }


def _named(metric: str) -> str:
    variant, _, name = metric.partition("/")
    return f"{variant}: {heading(name)}"


def _figure(figure: Figure, k: int) -> dict[str, Any]:
    """The figure with its picture as markup; identifiers are made unique among the page's figures."""
    from markupsafe import Markup, escape

    if isinstance(figure.image, bytes):
        data = base64.b64encode(figure.image).decode("ascii")
        image = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, figure.alt)
    else:
        unique = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<0>f{k}-", figure.image)
        image = Markup(unique.replace("<svg", f'<svg role="img" aria-label="{escape(figure.alt)}"', 1))
    return {"title": figure.title, "caption": figure.caption, "image": image}


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values, as the command line takes them."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", plain(value)


def _environment(results: Results) -> dict[str, str]:
    commit, dash, state = (results["commit"] or MISSING).partition("-")
    return {
        **results["versions"],
        "commit": commit[:12] + dash + state,
        "device": results["device"],
        "threads": str(results["threads"]),
        "seeds": ", ".join(map(str, results["seeds"])) or MISSING,
        "wall time": _duration(results["wall_time_s"]),
    }
