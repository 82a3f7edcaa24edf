"""Runs a recipe: every variant with every seed, judged against its claims."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from hyperdnn.encoders import Table
from hyperdnn.errors import CheckpointError, ConfigError, nearest
from hyperdnn.lab import report
from hyperdnn.lab._discover import load, setting_of
from hyperdnn.lab._folder import CHECKPOINTS, alone, file_name
from hyperdnn.lab._recipe import Recipe, Variant
from hyperdnn.lab.baselines import Plain
from hyperdnn.lab.config import override, seed_everything, to_mapping
from hyperdnn.lab.train import Checkpoints, Log, Outcome, State, launch
from hyperdnn.lab.train._checkpoint import Checkpoint
from hyperdnn.lab.train._gradients import whole
from hyperdnn.lab.train._keeper import model_values
from hyperdnn.lab.train._processes import NO_CHECKPOINTS, are_several
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
    resume: bool = False,
) -> report.Results:
    """Train a recipe's system and its baselines, and measure what it claims.

    Every variant starts from the same seed, so that differences between them are not differences of luck. The folder
    keeps what is done: a run that was killed goes on where it was, and ends as it would have ended, on the CPU to the
    last bit if torch and the number of threads are the same.

    If the settings ask for several devices, the present program is started again for each further one, to come here as
    well. The first process writes; there are no checkpoints.

    Args:
        recipe_name: as for ``hyperdnn run``.
        config: its configuration; each seed replaces the one in it.
        folder: gets ``metrics.jsonl`` and ``checkpoints``, and holds one run.
        seeds: one run of each variant for each.
        variants: which; all by default. Claims about others are left out.
        progress: show how far training is, on standard error.
        threads: of torch on the CPU, while this runs; None leaves them as they are. Networks of a few hundred thousand
            weights gain little from a second one, and where other programs use the cores they wait for it: a step of
            7 ms was seen to take 430.
        resume: go on with the run in the folder; its recipe, configuration and seeds must be these.

    Returns:
        The content of results.json.

    Raises:
        ConfigError: an unknown recipe or variant, no seed, a folder with a run that is not to be resumed, or one that
            another process is at work in; or a run of several devices that is to be resumed.
        TrainingError: a loss that is not finite, or another process that ended.
        CheckpointError: a checkpoint cannot be written, or all there are to go on from are damaged.
    """
    recipe = load(recipe_name)
    names = _chosen(recipe, variants)
    if not seeds:
        raise ConfigError("seeds: expected at least one.")
    several = are_several(getattr(config, "train", None))
    if several and resume:
        raise ConfigError(f"resume: {NO_CHECKPOINTS}. Start it again, or train on one device.")
    if (folder / CHECKPOINTS).exists() and not resume:
        raise ConfigError(
            f"{folder} holds a run already. resume=True goes on with it; another folder starts a new one."
        )
    first = launch(getattr(config, "train", None))
    folder.mkdir(parents=True, exist_ok=True)
    trained: dict[str, list[_Trained]] = {name: [] for name in names}
    with alone(folder) if first else nullcontext(), _threads(threads), together():
        last: _Trained | None = None
        for seed in seeds:
            for name in names:
                log = Log(
                    folder / "metrics.jsonl" if first else None,
                    progress=visible() if progress and first else Quiet(),
                    labels={"variant": name, "seed": seed},
                )
                place = folder / CHECKPOINTS / f"seed-{seed}" / file_name(name, recipe.variants)
                kept = None if several else Checkpoints(place)
                found = kept and kept.latest()
                if resume and found is None:
                    log.rewind(last.end if last else 0)
                last = found and _finished(found)
                if last is None:
                    changed = override(config, {"seed": seed, **recipe.variants[name].changes})
                    with _as_it_was():
                        last = _train(recipe, recipe.variants[name], changed, log, kept, found)
                trained[name].append(last)
        environment = report.environment(device=trained[names[0]][0].device)
    metrics = {
        name: {m: report.summarise([one.metrics[m] for one in runs]) for m in runs[0].metrics}
        for name, runs in trained.items()
    }
    setting = setting_of(recipe_name, config)
    claims = [c for c in recipe.claims if c.config == setting and set(c.variants) <= set(names)]
    verdicts, reproduced = report.judge(claims, metrics)
    return report.Results(
        **environment,
        recipe=recipe_name,
        setting=setting or "",
        summary=recipe.summary,
        config=to_mapping(config),
        seeds=list(seeds),
        wall_time_s=sum(one.seconds for runs in trained.values() for one in runs),
        metrics=metrics,
        arrays={name: dict(runs[0].arrays) for name, runs in trained.items()},
        claims=verdicts,
        reproduced=reproduced,
    )


def _chosen(recipe: Recipe, variants: Sequence[str] | None) -> list[str]:
    for name in variants or ():
        if name not in recipe.variants:
            raise ConfigError(f"no variant '{name}'.{nearest(name, recipe.variants)}")
    return [name for name in recipe.variants if variants is None or name in variants]


@final
@dataclass(frozen=True, kw_only=True)
class _Trained:
    """What came of one variant with one seed: where it was computed, in which time, where its part of the log ends."""

    metrics: Mapping[str, float]
    arrays: Mapping[str, Any]
    device: str
    seconds: float
    end: int


def _finished(checkpoint: Checkpoint) -> _Trained | None:
    """What training came to, None if the checkpoint is of a training under way."""
    value = checkpoint.value()
    if "outcome" not in value:
        return None
    try:
        return _Trained(**value["outcome"], seconds=value["seconds"], end=value["log"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.folder} is not the end of a run: {error}.") from error


def _train(
    recipe: Recipe, variant: Variant, config: Any, log: Log, kept: Checkpoints | None, resumed: Checkpoint | None
) -> _Trained:
    """Train one variant with one seed."""
    start = time.perf_counter()
    seed_everything(config.seed, deterministic=config.train.deterministic)
    data = recipe.data(config)
    model = (variant.build or recipe.build)(config)
    sizes = _sizes(model)  # now: training may freeze parts
    generator = torch.Generator().manual_seed(config.seed)
    state = State(model=model, config=config, generator=generator, checkpoints=kept, resumed=resumed)
    loop, step = variant.loop or recipe.loop, variant.step or recipe.step
    try:
        outcome: Outcome = loop(state, data, config.train, step=step, evaluate=recipe.evaluate, log=log)
    finally:
        log.stop()
    done: dict[str, Any] = {
        "metrics": {name: float(value) for name, value in {**outcome.metrics, **sizes}.items()},
        "arrays": {**outcome.arrays, **_embeddings(model)},
        "device": str(next(model.parameters(), torch.empty(0)).device),  # nearest neighbours have none
    }
    if kept is None:
        return _Trained(**done, seconds=time.perf_counter() - start, end=log.position())
    value = {**model_values(state, log), "outcome": done}
    kept.finish(value)
    return _Trained(**done, seconds=value["seconds"], end=value["log"])


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
def _as_it_was() -> Iterator[None]:
    """What deterministic training asks of torch is taken back at the end."""
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
