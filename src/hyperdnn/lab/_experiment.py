"""Runs a recipe: every variant with every seed, judged against its claims."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, final

import torch
from torch import nn

from hyperdnn.encoders import Table
from hyperdnn.errors import CheckpointError, ConfigError, nearest
from hyperdnn.lab import report
from hyperdnn.lab._discover import load, setting_of
from hyperdnn.lab._folder import CHECKPOINTS, alone, file_name
from hyperdnn.lab._recipe import Recipe, Variant
from hyperdnn.lab._threads import computing_with
from hyperdnn.lab.baselines import Plain
from hyperdnn.lab.config import override, seed_everything, to_mapping
from hyperdnn.lab.train import Checkpoints, Clients, Log, Outcome, State, launch, rounds
from hyperdnn.lab.train._checkpoint import Checkpoint
from hyperdnn.lab.train._gradients import whole
from hyperdnn.lab.train._jointly import first_says
from hyperdnn.lab.train._keeper import model_values
from hyperdnn.lab.train._progress import Quiet, visible
from hyperdnn.lab.train._together import together
from hyperdnn.lab.train._track import TensorBoard
from hyperdnn.models import HyperDNN

__all__ = ["as_it_was", "run", "train_variant"]

_METRICS = "metrics.jsonl"


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
    track: Literal["tensorboard"] | None = None,
    clients: Callable[[str, Any], Clients] | None = None,
) -> report.Results:
    """Train a recipe's system and its baselines, and measure what it claims.

    Every variant starts from the same seed, so that differences between them are not differences of luck. The folder
    keeps what is done: a run that was killed goes on where it was, and ends as it would have ended, on the CPU to the
    last bit if torch and the number of threads are the same.

    If the settings ask for several devices, the present program is started again for each further one, to come here as
    well. The first process has the folder and writes; of checkpoints, each one writes its part.

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
        track: also write what is in ``metrics.jsonl`` as event files, into ``tensorboard``.
        clients: variant and configuration -> where the clients of a federated recipe are; None for this process.

    Returns:
        The content of results.json.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
        ConfigError: an unknown recipe or variant, no seed, a folder with a run that is not to be resumed, or one that
            another process is at work in; or clients of a recipe that has none.
        TrainingError: a loss that is not finite, or another process that ended.
        CheckpointError: a checkpoint cannot be written, or all there are to go on from are damaged.
    """
    recipe = load(recipe_name)
    names = _chosen(recipe, variants)
    if not seeds:
        raise ConfigError("seeds: expected at least one.")
    if clients and not any(_has_clients(recipe, name) for name in names):
        raise ConfigError(f"{recipe_name} has no clients: none of {', '.join(names)} trains by lab.train.rounds.")
    if (folder / CHECKPOINTS).exists() and not resume:
        raise ConfigError(
            f"{folder} holds a run already. resume=True goes on with it; another folder starts a new one."
        )
    first = launch(getattr(config, "train", None))
    folder, resume = first_says((folder, resume))
    tracker = TensorBoard(folder / track) if track and first else None
    folder.mkdir(parents=True, exist_ok=True)
    trained: dict[str, list[_Trained]] = {name: [] for name in names}
    with together(folder), alone(folder) if first else nullcontext(), computing_with(threads):
        if tracker is not None:
            tracker.begin(folder / _METRICS)
        last: _Trained | None = None
        for seed in seeds:
            for name in names:
                log = Log(
                    folder / _METRICS if first else None,
                    progress=visible() if progress and first else Quiet(),
                    labels={"variant": name, "seed": seed},
                    tracker=tracker,
                )
                place = folder / CHECKPOINTS / f"seed-{seed}" / file_name(name, recipe.variants)
                kept = Checkpoints(place)
                found = kept.latest()
                if resume and found is None:
                    log.rewind(last.end if last else 0)
                last = found and _finished(found)
                if last is None:
                    changed = override(config, {"seed": seed, **recipe.variants[name].changes})
                    where = clients(name, changed) if clients and _has_clients(recipe, name) else None
                    with as_it_was():
                        last = train_variant(
                            recipe, recipe.variants[name], changed, log, kept=kept, resumed=found, clients=where
                        )
                trained[name].append(last)
        environment = report.environment(device=trained[names[0]][0].device)
    metrics = {
        name: {m: report.summarise([one.metrics[m] for one in runs]) for m in runs[0].metrics}
        for name, runs in trained.items()
    }
    setting = setting_of(recipe_name, config)
    claims = [c for c in recipe.claims if setting in c.settings and set(c.variants) <= set(names)]
    seconds = {name: report.summarise([one.seconds for one in runs]) for name, runs in trained.items()}
    training = {name: report.summarise([one.training_s for one in runs]) for name, runs in trained.items()}
    results = report.Results(
        **environment,
        recipe=recipe_name,
        setting=setting or "",
        summary=recipe.summary,
        config=to_mapping(config),
        seeds=list(seeds),
        wall_time_s=sum(one.seconds for runs in trained.values() for one in runs),
        seconds=seconds,
        training_seconds=training,
        metrics=metrics,
        arrays={name: dict(runs[0].arrays) for name, runs in trained.items()},
        claims=[],
        reproduced=None,
    )
    results["claims"], results["reproduced"] = report.judge(claims, report.measured(results))
    return results


def _chosen(recipe: Recipe, variants: Sequence[str] | None) -> list[str]:
    for name in variants or ():
        if name not in recipe.variants:
            raise ConfigError(f"no variant '{name}'.{nearest(name, recipe.variants)}")
    return [name for name in recipe.variants if variants is None or name in variants]


def _has_clients(recipe: Recipe, variant: str) -> bool:
    loop: Any = recipe.variants[variant].loop or recipe.loop
    while isinstance(loop, partial):
        loop = loop.func
    return loop is rounds


@final
@dataclass(frozen=True, kw_only=True)
class _Trained:
    """What came of one variant with one seed: where it was computed, in which time, where its part of the log ends."""

    metrics: Mapping[str, float]
    arrays: Mapping[str, Any]
    device: str
    seconds: float
    training_s: float
    end: int


def _finished(checkpoint: Checkpoint) -> _Trained | None:
    """What training came to, None if the checkpoint is of a training under way."""
    value = checkpoint.value()
    if "outcome" not in value:
        return None
    try:
        return _trained(value)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.folder} is not the end of a run: {error}.") from error


def train_variant(
    recipe: Recipe,
    variant: Variant,
    config: Any,
    log: Log,
    *,
    kept: Checkpoints | None = None,
    resumed: Checkpoint | None = None,
    clients: Clients | None = None,
) -> _Trained:
    """Train one variant with the seed of its configuration.

    Args:
        recipe: what it is a variant of.
        variant: which.
        config: the configuration, the variant's changes included.
        log: where numbers go.
        kept: where checkpoints go; None keeps none.
        resumed: the one to go on from, if any.
        clients: where those of a federated recipe are; None for this process.
    """
    start = time.perf_counter()
    seed_everything(config.seed, deterministic=config.train.deterministic)
    data = recipe.data(config)
    model = (variant.build or recipe.build)(config)
    sizes = _sizes(model)  # now: training may freeze parts
    generator = torch.Generator().manual_seed(config.seed)
    state = State(model=model, config=config, generator=generator, checkpoints=kept, resumed=resumed, clients=clients)
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
    value = {**model_values(state, log), "outcome": done}
    if kept is None:
        return _trained({**value, "seconds": time.perf_counter() - start})
    kept.finish(value)
    return _trained(value)


def _trained(value: Mapping[str, Any]) -> _Trained:
    """What a finished training's checkpoint says of it."""
    return _Trained(**value["outcome"], seconds=value["seconds"], training_s=value["training_s"], end=value["log"])


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
def as_it_was() -> Iterator[None]:
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
