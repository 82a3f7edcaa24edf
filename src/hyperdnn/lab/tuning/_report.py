"""A search for readers: the best trials as a table, and everything as files."""

from collections.abc import Iterable
from pathlib import Path

from hyperdnn.lab.config import to_mapping, write_yaml
from hyperdnn.lab.report import environment, write_json
from hyperdnn.lab.report._format import heading, number
from hyperdnn.lab.report._html import Page, duration, facts, write
from hyperdnn.lab.report._table import grid
from hyperdnn.lab.tuning._figures import figures
from hyperdnn.lab.tuning._result import Tuning
from hyperdnn.lab.tuning._study import Trial

__all__ = ["table", "write_tuning"]

_SHOWN = 10


def table(tuning: Tuning, *, width: int | None = None) -> str:
    """The ten best trials, the best first: number, metric on validation data, settings.

    Args:
        tuning: all of it.
        width: in characters; the terminal's by default.
    """
    lines = [grid(_headings(tuning), _rows(tuning, tuning.ranked[:_SHOWN]), width=width)]
    rest, lost = len(tuning.ranked[_SHOWN:]), len(tuning.trials) - len(tuning.ranked)
    lines += [f"{rest} more"] if rest else []
    lines += [f"{lost} left the numbers"] if lost else []
    return "\n".join(lines)


def write_tuning(tuning: Tuning, folder: Path, *, made_by: str) -> Path:
    """Write ``best.yaml``, which ``hyperdnn run --config`` takes, ``trials.json`` and ``report.html``.

    Args:
        tuning: all of it; without a best trial there is no ``best.yaml``.
        folder: where they go; made if missing.
        made_by: the command that made it.

    Returns:
        The path of the page.
    """
    lost = [trial for trial in tuning.trials if trial.value is None]
    variant, _, metric = tuning.metric.partition("/")
    seconds = sum(trial.seconds for trial in tuning.trials)
    config = tuning.best if tuning.ranked else tuning.config
    page = Page(
        recipe=tuning.recipe,
        subtitle=f"tuning of {variant}",
        summary=f"{len(tuning.trials)} trials in {duration(seconds)}, judged by {metric.replace('_', ' ')} on "
        "validation data. The best value of many flatters: report what the best configuration reaches on test data.",
        headings=_headings(tuning),
        rows=_rows(tuning, [*tuning.ranked, *lost]),
        config=to_mapping(config),
        environment=facts(environment(device=getattr(config.train, "device", "cpu")), tuning.seeds, seconds),
        command=made_by,
    )
    path = write(page, folder, figures(tuning))
    write_json(folder / "trials.json", tuning.trials)
    if tuning.ranked:
        write_yaml(config, folder / "best.yaml")
    return path


def _headings(tuning: Tuning) -> list[str]:
    return ["trial", heading(tuning.metric.partition("/")[2]), *tuning.space]


def _rows(tuning: Tuning, trials: Iterable[Trial]) -> list[list[str]]:
    metric = tuning.metric.partition("/")[2]
    return [
        [str(trial.number), number(metric, trial.value), *(_text(trial.settings[name]) for name in tuning.space)]
        for trial in trials
    ]


def _text(value: str | int | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
