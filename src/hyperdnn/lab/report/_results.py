"""The schema of results.json, and how its numbers are judged."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from hyperdnn.lab._recipe import Claim

__all__ = ["Environment", "Record", "Results", "Summary", "Verdict", "all_hold", "judge", "measured", "summarise"]


class Summary(TypedDict):
    """One metric over the seeds: mean, sample standard deviation (None for one seed), all values."""

    mean: float
    spread: float | None
    values: list[float]


class Verdict(TypedDict):
    """A claim beside what was measured; `measured` is None for a metric that the run does not have.

    Where the metric was compared with another one, `measured` is the difference or the ratio. `holds` is about one
    setting; a claim about several of them must hold in `hold` of the `settings`.
    """

    text: str
    metric: str
    minus: NotRequired[str]
    over: NotRequired[str]
    at_least: float | None
    at_most: float | None
    measured: float | None
    published: float | None
    source: str
    settings: NotRequired[list[str]]
    hold: NotRequired[int]
    holds: bool


class Environment(TypedDict):
    """Where a result was made. `commit` is None outside a checkout."""

    commit: str | None
    versions: dict[str, str]
    threads: int
    device: str


class Results(Environment):
    """One experiment, the content of results.json: a recipe in one setting, its variants, all seeds."""

    recipe: str
    setting: str
    summary: NotRequired[str]  # the recipe's own line, for readers of the page
    config: Mapping[str, Any]
    seeds: list[int]
    wall_time_s: float
    seconds: NotRequired[dict[str, Summary]]  # of each variant, data and evaluation included
    training_seconds: NotRequired[dict[str, Summary]]  # without them
    metrics: dict[str, dict[str, Summary]]
    arrays: dict[str, dict[str, Any]]
    claims: list[Verdict]
    reproduced: bool | None


class Record(TypedDict):
    """All experiments of one recipe: the content of ``results/<family>/<name>.json``."""

    recipe: str
    experiments: list[Results]
    reproduced: bool


def summarise(values: Sequence[float | int]) -> Summary:
    """Mean and sample standard deviation of one metric over the seeds; a single seed has no spread."""
    numbers = [float(value) for value in values]
    # statistics.stdev fails on nan and inf, which are results too: a run that diverged
    if not all(map(math.isfinite, numbers)):
        return Summary(mean=math.nan, spread=None, values=numbers)
    spread = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Summary(mean=statistics.fmean(numbers), spread=spread, values=numbers)


def measured(results: Results) -> dict[str, dict[str, Summary]]:
    """All metrics, and the seconds they took: variant -> metric -> summary.

    The seconds stand apart in the file, since they alone differ from run to run.
    """
    times = {"seconds": results.get("seconds", {}), "training_seconds": results.get("training_seconds", {})}
    return {
        name: {**metrics, **{kind: seconds[name] for kind, seconds in times.items() if name in seconds}}
        for name, metrics in results["metrics"].items()
    }


def judge(claims: Sequence[Claim], metrics: Mapping[str, Mapping[str, Summary]]) -> tuple[list[Verdict], bool | None]:
    """Hold the claims of one setting against its metrics.

    A metric that was not measured, or is nan, supports no claim.

    Args:
        claims: those made for the setting that was run.
        metrics: variant -> metric -> summary.

    Returns:
        A verdict for each claim; and whether all hold, None if nothing was claimed.
    """
    verdicts = [_verdict(claim, metrics) for claim in claims]
    return verdicts, all(verdict["holds"] for verdict in verdicts) if verdicts else None


def all_hold(experiments: Sequence[Results]) -> bool:
    """Whether every claim holds: in its setting, or in as many of its settings as it must."""
    verdicts = [verdict for results in experiments for verdict in results["claims"]]
    several: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if "hold" in verdict:
            several.setdefault((verdict["text"], verdict["metric"]), []).append(verdict)
    return all(verdict["holds"] for verdict in verdicts if "hold" not in verdict) and all(
        sum(verdict["holds"] for verdict in claim) >= claim[0]["hold"] for claim in several.values()
    )


def _verdict(claim: Claim, metrics: Mapping[str, Mapping[str, Summary]]) -> Verdict:
    measured = _measured(claim, metrics)
    low = -math.inf if claim.at_least is None else claim.at_least
    high = math.inf if claim.at_most is None else claim.at_most
    verdict = Verdict(
        text=claim.text,
        metric=claim.metric,
        at_least=claim.at_least,
        at_most=claim.at_most,
        measured=measured,
        published=claim.published,
        source=claim.source,
        holds=measured is not None and low <= measured <= high,
    )
    if claim.minus:
        verdict["minus"] = claim.minus
    if claim.over:
        verdict["over"] = claim.over
    if len(claim.settings) > 1:
        verdict["settings"] = list(claim.settings)
        verdict["hold"] = claim.hold or len(claim.settings)
    return verdict


def _measured(claim: Claim, metrics: Mapping[str, Mapping[str, Summary]]) -> float | None:
    means = []
    for name in filter(None, (claim.metric, claim.minus, claim.over)):
        variant, _, metric = name.partition("/")
        summary = metrics.get(variant, {}).get(metric)
        if summary is None:
            return None
        means.append(summary["mean"])
    if claim.minus:
        return means[0] - means[1]
    if claim.over:
        return means[0] / means[1] if means[1] else math.nan
    return means[0]
