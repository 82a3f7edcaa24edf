"""Which run ``--resume`` means: one that was stopped, of the same recipe, configuration, seeds and variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hyperdnn.cli._usage import UsageError, usage
from hyperdnn.errors import ConfigError
from hyperdnn.lab._folder import CONFIG, RESULTS, request

_PROCESSES = {"train.devices", "train.strategy"}  # a run may go on in another number of them


@final
@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run is of.

    Args:
        config: the recipe's configuration; its seed, devices and strategy are of no account.
        seeds: one training for each.
        variants: only these of the system and its baselines; None for all.
    """

    config: Any
    seeds: Sequence[int]
    variants: Sequence[str] | None


def stopped(folder: Path, name: str) -> Run:
    """What the run in a folder is of, if it can be gone on with.

    Args:
        folder: of the run.
        name: the recipe that it must be of.

    Raises:
        UsageError: there is no run in it, or it is finished, of another recipe, or without a checkpoint.
        ConfigError: its configuration is damaged.
    """
    from hyperdnn.lab._discover import find, load
    from hyperdnn.lab.config import read_yaml

    with usage():
        recipe, seeds, variants = request(folder)
    if recipe != find(name).name:
        raise UsageError(f"{folder} holds a run of {recipe}, not of {name}.")
    if (folder / RESULTS).is_file():
        raise UsageError(f"{folder} holds a run that is finished. See {folder / 'report.html'}.")
    if not _has_checkpoint(folder):
        raise UsageError(f"{folder} holds no checkpoint: the run was stopped before the first. Start it again.")
    return Run(config=read_yaml(load(name).config, folder / CONFIG), seeds=seeds, variants=variants)


def difference(wanted: Run, kept: Run) -> str | None:
    """Where a run differs from the one that was stopped, in words; None if they are the same."""
    from hyperdnn.lab.config import flatten, to_mapping

    ours, theirs = flatten(to_mapping(wanted.config)), flatten(to_mapping(kept.config))
    for name in ours:
        if name not in {"seed", *_PROCESSES} and ours[name] != theirs.get(name):
            return f"{name} {ours[name]}, started with {theirs.get(name)}"
    if list(wanted.seeds) != list(kept.seeds):
        return f"seed {_words(wanted.seeds)}, started with {_words(kept.seeds)}"
    if wanted.variants != kept.variants:
        return f"variants {_words(wanted.variants)}, started with {_words(kept.variants)}"
    return None


def way_on(folder: Path, line: str) -> str:
    """What to type after an interruption.

    Args:
        folder: of the run.
        line: that was typed.
    """
    if not _has_checkpoint(folder):
        return "before the first checkpoint: nothing of this run is kept"
    return f"to go on, type: {line if '--resume' in line else f'{line} --resume auto'}"


def newest(parent: Path, name: str, wanted: Run) -> Path | None:
    """The newest run in a folder of folders that can be gone on with and that no process is at work in."""
    from hyperdnn.lab._folder import alone

    for folder in sorted(parent.glob("*"), reverse=True):
        try:
            if difference(wanted, stopped(folder, name)) is None:
                with alone(folder):
                    return folder
        except (UsageError, ConfigError):  # not this one
            continue
    return None


def _has_checkpoint(folder: Path) -> bool:
    from hyperdnn.lab._folder import CHECKPOINTS

    return any((folder / CHECKPOINTS).glob("*/*/[!.]*"))


def _words(values: Sequence[object] | None) -> str:
    return "all" if values is None else ", ".join(map(str, values))
