"""Searches settings of a recipe on validation data."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab._discover import find, load
from hyperdnn.lab._experiment import as_it_was, train_variant
from hyperdnn.lab._folder import alone
from hyperdnn.lab._recipe import Recipe
from hyperdnn.lab._threads import computing_with
from hyperdnn.lab.config import flatten, override, to_mapping
from hyperdnn.lab.data import on_validation
from hyperdnn.lab.train import Log, TrainingError
from hyperdnn.lab.train._processes import are_several
from hyperdnn.lab.train._progress import Progress, Quiet, visible
from hyperdnn.lab.tuning._progress import Share
from hyperdnn.lab.tuning._result import Tuning
from hyperdnn.lab.tuning._space import configured, read_space
from hyperdnn.lab.tuning._study import Direction, Study, ranked

__all__ = ["tune"]


def tune(
    recipe_name: str,
    config: Any,
    *,
    folder: Path,
    trials: int,
    space: Mapping[str, str] | None = None,
    metric: str | None = None,
    direction: Direction | None = None,
    seeds: Sequence[int] | None = None,
    progress: bool = False,
    threads: int | None = 1,
) -> Tuning:
    """Search settings of a recipe by TPE, judged on validation data.

    The test part of the data is out of reach: in its place, loop and evaluation are given the validation part. Report
    what ``run`` measures with the best configuration, not the value here, which is the best of many.

    The study goes on where it was when the same search is asked for again: what was killed is tried again, and more
    trials may be asked for.

    Args:
        recipe_name: as for ``hyperdnn tune``.
        config: its configuration; what is not searched stays as it is.
        folder: gets ``study.db`` and ``metrics.jsonl``, and holds one study.
        trials: how many finished ones there are to be in the end.
        space: settings and their values: ``{"train.lr": "1e-4..1e-2:log", "beta": "0.01,0.03,0.1"}``; the recipe's own
            by default.
        metric: what to judge by, ``"final_accuracy"`` or, for another variant than the first, ``"<variant>/<metric>"``;
            by default that of the first claim about the first variant.
        direction: which values are better; by default as a claim about the metric has it.
        seeds: every trial is trained with each of them; by default the configuration's. The first one also seeds the
            search.
        progress: show how far the search is, on standard error.
        threads: of torch on the CPU, as for `lab.run`.

    Returns:
        All trials and the best configuration.

    Raises:
        MissingExtraError: Optuna is not installed.
        ConfigError: a space, a metric or a setting that cannot be meant; data without a validation part; a folder with
            a study of something else, or one that another process is at work in.
    """
    recipe = load(recipe_name)
    variant, metric, direction = _aim(recipe, metric, direction)
    if are_several(getattr(config, "train", None)):
        raise ConfigError("train.devices: tuning trains in one process. Set it to 1, and start without torchrun.")
    texts = dict(recipe.space if space is None else space)
    values = read_space(texts, config)
    for name in ("train.devices", "train.strategy"):
        if name in values:
            raise ConfigError(f"{name}: tuning trains in one process, so there is nothing to search.")
    for name in recipe.variants[variant].changes:
        if name in values:
            raise ConfigError(f"{name}: the variant '{variant}' sets it itself, so searching it changes nothing.")
    seeds = [config.seed] if seeds is None else list(seeds)
    if trials < 1 or not seeds:
        raise ConfigError(f"expected at least one trial and one seed, got {trials} and {len(seeds)}.")
    request = {
        "recipe": find(recipe_name).name,
        "metric": f"{variant}/{metric}",
        "direction": direction,
        "seeds": seeds,
        "space": texts,
        **flatten(to_mapping(config)),
    }
    trained = replace(recipe, data=lambda config: on_validation(recipe.data(config)))
    folder.mkdir(parents=True, exist_ok=True)
    with (
        alone(folder),
        computing_with(threads),
        closing(Study(folder / "study.db", values, request=request, direction=direction, seed=seeds[0])) as study,
        _shown(progress, f"tuning {metric}", trials, len(study.finished)) as watcher,
    ):
        while len(study.finished) < trials:
            leader = _leader(study, metric, direction)
            watcher.show(leader)
            with study.trying() as attempt:
                tried = configured(config, attempt.settings)
                results = []
                for seed in seeds:
                    log = Log(
                        folder / "metrics.jsonl",
                        progress=Share(watcher, leader),
                        labels={"trial": attempt.number, "variant": variant, "seed": seed},
                    )
                    results.append(_measure(trained, variant, metric, override(tried, {"seed": seed}), log))
                attempt.value = fmean(results)
            watcher.advance()
        watcher.show(_leader(study, metric, direction))
        return Tuning(
            recipe=recipe_name,
            config=config,
            metric=f"{variant}/{metric}",
            direction=direction,
            seeds=seeds,
            space=values,
            trials=study.finished,
            importance=study.importance(),
        )


def _aim(recipe: Recipe, metric: str | None, direction: Direction | None) -> tuple[str, str, Direction]:
    """Variant, metric and direction; what is not given is read from the recipe's claims."""
    first = next(iter(recipe.variants))
    claims = [claim for claim in recipe.claims if claim.metric.partition("/")[0] == first]
    if metric is None and not claims:
        raise ConfigError("metric: the recipe claims nothing that would say what to judge by. Name one of its metrics.")
    metric = metric or claims[0].metric
    variant, _, name = metric.partition("/") if "/" in metric else (first, "", metric)
    if variant not in recipe.variants:
        raise ConfigError(f"metric: no variant '{variant}'.{nearest(variant, recipe.variants)}")
    if direction is None:
        about = [claim for claim in claims if claim.metric.partition("/")[2] == name]
        claim = next((claim for claim in about if claim.at_least is None or claim.at_most is None), None)
        if claim is None:
            raise ConfigError(
                f"direction: the recipe claims nothing about '{name}' that says which values are better. Say "
                "'maximize' or 'minimize'."
            )
        direction = "maximize" if claim.at_least is not None else "minimize"
    return variant, name, direction


def _measure(recipe: Recipe, variant: str, metric: str, config: Any, log: Log) -> float:
    """The metric of one training; nan for one that left the numbers."""
    chosen = recipe.variants[variant]
    try:
        with as_it_was():
            metrics = train_variant(recipe, chosen, override(config, chosen.changes), log).metrics
    except TrainingError:
        return math.nan
    if metric not in metrics:
        raise ConfigError(f"metric: '{variant}' does not measure '{metric}'.{nearest(metric, metrics)}")
    return metrics[metric]


def _leader(study: Study, metric: str, direction: Direction) -> str:
    """The best trial so far, in words."""
    best = ranked(study.finished, direction)
    if not best:
        return "no result yet"
    return f"best {metric.replace('_', ' ')} {best[0].value:.4g} (trial {best[0].number})"


@contextmanager
def _shown(progress: bool, title: str, trials: int, done: int) -> Iterator[Progress]:
    watcher = visible() if progress else Quiet()
    watcher.start(title, trials, done)
    try:
        yield watcher
    finally:
        watcher.stop()
