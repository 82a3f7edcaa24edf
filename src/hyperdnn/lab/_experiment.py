"""Runs a recipe: every variant with every seed, judged against its claims."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hyperdnn.encoders import Table
from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab import report
from hyperdnn.lab._discover import load, setting_of
from hyperdnn.lab._recipe import Recipe, Variant
from hyperdnn.lab.baselines import Plain
from hyperdnn.lab.config import override, seed_everything, to_mapping
from hyperdnn.lab.train import Log, Outcome, State, launch
from hyperdnn.lab.train._gradients import whole
from hyperdnn.lab.train._progress import Quiet, visible
from hyperdnn.lab.train._together import together
from hyperdnn.models import HyperDNN

__all__ = ["run"]


def run(
    recipe_name: str,
    config: Any,
    *,
    folder: Path,
    seeds: Sequence[int],
    variants: Sequence[str] | None = None,
    progress: bool = False,
    threads: int | None = 1,
) -> report.Results:
    """Train a recipe's system and its baselines, and measure what it claims.

    Every variant starts from the same seed, so that differences between them are not differences of luck. If the
    settings ask for several devices, the present program is started again for each further one, to come here as well;
    the first process writes.

    Args:
        recipe_name: as for ``hyperdnn run``.
        config: its configuration; each seed replaces the one in it.
        folder: gets ``metrics.jsonl``.
        seeds: one run of each variant for each.
        variants: which; all by default. Claims about others are left out.
        progress: show how far training is, on standard error.
        threads: of torch on the CPU, while this runs; None leaves them as they are. Networks of a few hundred thousand
            weights gain little from a second one, and where other programs use the cores they wait for it: a step of
            7 ms was seen to take 430.

    Returns:
        The content of results.json.

    Raises:
        ConfigError: an unknown recipe or variant, or no seed.
        TrainingError: a loss that is not finite, or another process that ended.
    """
    recipe = load(recipe_name)
    names = _chosen(recipe, variants)
    if not seeds:
        raise ConfigError("seeds: expected at least one.")
    first = launch(getattr(config, "train", None))
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    with _threads(threads), together():
        for seed in seeds:
            for name in names:
                log = Log(
                    folder / "metrics.jsonl" if first else None,
                    progress=visible() if progress and first else Quiet(),
                    labels={"variant": name, "seed": seed},
                )
                outcome, device = _train(recipe, recipe.variants[name], override(config, {"seed": seed}), log)
                outcomes[name].append(outcome)
        environment = report.environment(device=device)
    metrics = {
        name: {m: report.summarise([o.metrics[m] for o in runs]) for m in runs[0].metrics}
        for name, runs in outcomes.items()
    }
    setting = setting_of(recipe_name, config)
    claims = [c for c in recipe.claims if c.config == setting and c.metric.partition("/")[0] in names]
    verdicts, reproduced = report.judge(claims, metrics)
    return report.Results(
        **environment,
        recipe=recipe_name,
        setting=setting or "",
        summary=recipe.summary,
        config=to_mapping(config),
        seeds=list(seeds),
        wall_time_s=time.perf_counter() - start,
        metrics=metrics,
        arrays={name: dict(runs[0].arrays) for name, runs in outcomes.items()},
        claims=verdicts,
        reproduced=reproduced,
    )


def _chosen(recipe: Recipe, variants: Sequence[str] | None) -> list[str]:
    for name in variants or ():
        if name not in recipe.variants:
            raise ConfigError(f"no variant '{name}'.{nearest(name, recipe.variants)}")
    return [name for name in recipe.variants if variants is None or name in variants]


def _train(recipe: Recipe, variant: Variant, config: Any, log: Log) -> tuple[Outcome, str]:
    """One variant with one seed: what came of it, and where it was computed."""
    config = override(config, variant.changes)
    seed_everything(config.seed)
    data = recipe.data(config)
    model = (variant.build or recipe.build)(config)
    sizes = _sizes(model)  # now: training may freeze parts
    state = State(model=model, config=config, generator=torch.Generator().manual_seed(config.seed))
    loop, step = variant.loop or recipe.loop, variant.step or recipe.step
    try:
        outcome = loop(state, data, config.train, step=step, evaluate=recipe.evaluate, log=log)
    finally:
        log.stop()
    device = str(next(model.parameters()).device)
    arrays = {**outcome.arrays, **_embeddings(model)}
    return Outcome(metrics={**outcome.metrics, **sizes}, arrays=arrays), device


def _sizes(model: nn.Module) -> dict[str, int]:
    """Numbers for the table."""
    if isinstance(model, HyperDNN | Plain):
        count = model.count()
        return {"trained_parameters": count.trained, "generated_parameters": count.generated}
    return {"trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)}


def _embeddings(model: nn.Module) -> dict[str, list[list[float]]]:
    """The learned context vectors of a model that has a table of them."""
    tables = [module for module in model.modules() if isinstance(module, Table)]
    if len(tables) != 1:
        return {}
    return {"task_embeddings": [whole(row).tolist() for row in tables[0].rows]}


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
