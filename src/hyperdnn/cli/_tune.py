"""``tune``: search settings of a recipe on validation data, and leave the best configuration and a page behind."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyperdnn.cli._runs import add_output_options, configuration_of, parent_of
from hyperdnn.cli._usage import UsageError, count, usage

_BEST = "best.yaml"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    tune = commands.add_parser(
        "tune",
        help="search a recipe's settings on validation data",
        usage="hyperdnn tune NAME --trials N [options] [--name value ...]",
        description="Trains the recipe's system again and again with other settings and judges it on validation data; "
        "the test data stay untouched. The same command goes on with a search that was stopped.",
        epilog="Every setting of the recipe is an option too, as for `hyperdnn run`; it stays as it is in all trials.",
        allow_abbrev=False,
    )
    tune.add_argument("name", metavar="NAME", help="a recipe's name, or your own recipe file")
    tune.add_argument("--trials", type=count, required=True, metavar="N", help="how many there are to be in the end")
    tune.add_argument(
        "--space",
        metavar="NAME=VALUES",
        action="append",
        help="what to search, such as train.lr=1e-4..1e-2:log or beta=0.01,0.03,0.1; repeatable; the recipe's own by "
        "default",
    )
    tune.add_argument("--metric", help="what to judge by, such as final_accuracy or multitask/final_accuracy")
    tune.add_argument("--direction", choices=["maximize", "minimize"], help="which values of the metric are better")
    source = tune.add_mutually_exclusive_group()
    source.add_argument("--config", metavar="FILE", type=Path, help="your own configuration, a YAML file")
    source.add_argument("--setting", help="one of the recipe's configurations, such as tiny")
    tune.add_argument("--seed", type=int, help="instead of the configuration's")
    tune.add_argument("--seeds", type=count, default=1, metavar="N", help="trainings in a trial (%(default)s)")
    tune.add_argument("--folder", type=Path, help="of the search; by default one of its own below that of --out")
    add_output_options(tune)
    tune.set_defaults(command=tune_recipe, takes_settings=True, devices=None, strategy=None)


def tune_recipe(options: argparse.Namespace) -> int:
    """Searches, prints the best trials and names the files."""
    from hyperdnn import lab

    with usage():
        config = configuration_of(options)
        space = _space(options)
        seed = config.seed if options.seed is None else options.seed
        seeds = range(seed, seed + options.seeds)
        folder = options.folder or _folder(options, config, space, seeds)
        try:
            tuning = lab.tune(
                options.name,
                config,
                folder=folder,
                trials=options.trials,
                space=space,
                metric=options.metric,
                direction=options.direction,
                seeds=seeds,
                progress=not options.quiet,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"to go on, type: {options.line}") from None
    page = lab.tuning.write_tuning(tuning, folder, made_by=options.line)
    print(lab.tuning.table(tuning))
    print(f"\nReport  {page}")
    best = tuning.best  # an error if there is none
    assert best is not None
    print(f"Best    {folder / _BEST}\nTest it: hyperdnn run {options.name} --config {folder / _BEST}")
    return 0


def _space(options: argparse.Namespace) -> dict[str, str] | None:
    """What is typed; None for the recipe's own."""
    if options.space is None:
        return None
    space: dict[str, str] = {}
    for text in options.space:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--space: expected NAME=VALUES, such as train.lr=1e-4..1e-2:log, got '{text}'.")
        if name in space:
            raise UsageError(f"--space: {name} is there twice.")
        if any(word.partition("=")[0] == f"--{name}" for word in options.rest):
            raise UsageError(f"{name} is set by --{name} and searched by --space. Leave one out.")
        space[name] = values
    return space


def _folder(options: argparse.Namespace, config: Any, space: dict[str, str] | None, seeds: Sequence[int]) -> Path:
    """The same for the same search, so that it is found again, and another one for another."""
    from hyperdnn.lab.config import to_mapping

    request = [to_mapping(config), space, options.metric, options.direction, list(seeds)]
    digest = hashlib.sha256(json.dumps(request).encode()).hexdigest()[:8]
    return parent_of(options.out, options.name) / f"tuning-{digest}"
