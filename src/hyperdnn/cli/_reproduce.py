"""``reproduce``: measure what publications claim, over several seeds, and keep the answer in ``results/``."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hyperdnn.cli._resume import way_on
from hyperdnn.cli._runs import add_output_options, execute, new_folder
from hyperdnn.cli._usage import UsageError, count, usage
from hyperdnn.errors import HyperDNNError, nearest

if TYPE_CHECKING:
    from hyperdnn.lab._source import RecipeFile
    from hyperdnn.lab.report import Record, Results


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    reproduce = commands.add_parser("reproduce", help="measure a recipe's claims", allow_abbrev=False)
    which = reproduce.add_mutually_exclusive_group(required=True)
    which.add_argument("name", metavar="NAME", nargs="?", help="a recipe's name, or your own recipe file")
    which.add_argument("--all", action="store_true", help="every recipe that has claims")
    reproduce.add_argument("--setting", help="only the claims in this setting")
    reproduce.add_argument("--seeds", type=count, help="how many, from the configuration's on, instead of the recipe's")
    reproduce.add_argument("--results", type=Path, default=Path("results"), help="folder of results (%(default)s)")
    add_output_options(reproduce)
    reproduce.set_defaults(command=reproduce_claims, variants=None, track=None)


def reproduce_claims(options: argparse.Namespace) -> int:
    """Runs each setting that has claims and writes ``results/<family>/<name>.json``.

    A claim that does not hold is a result, not a failure: the exit code stays 0.
    """
    from hyperdnn.lab._discover import discover, find

    if not options.all:
        with usage():
            recipe = find(options.name)
        _reproduce_one(recipe, options.name, options)
        return 0
    failures = 0
    for recipe in discover():
        if not _settings(recipe, options.setting):
            continue
        try:
            _reproduce_one(recipe, recipe.name, options)
        except HyperDNNError as error:
            failures += 1
            print(f"hyperdnn: {recipe.name}: {error}", file=sys.stderr)
    return 1 if failures else 0


def _reproduce_one(recipe: "RecipeFile", name: str, options: argparse.Namespace) -> None:
    from hyperdnn import lab
    from hyperdnn.lab._discover import configuration

    settings = _settings(recipe, options.setting)
    if not settings and options.setting:
        advice = nearest(options.setting, _settings(recipe, None))
        raise UsageError(f"{recipe.name} claims nothing in setting '{options.setting}'.{advice}")
    if not settings:
        raise UsageError(f"{recipe.name} claims nothing. Run it: hyperdnn run {name}")
    from hyperdnn.lab.train._processes import are_several  # torch: wrong usage is answered before

    path = options.results / f"{recipe.name}.json"
    for setting in settings:
        with usage():
            config = configuration(name, setting)
            if are_several(getattr(config, "train", None)):
                raise UsageError(
                    f"{recipe.name}: claims are measured in one process, but the setting '{setting}' or torchrun asks "
                    f"for several. Set train.devices to 1, or see the numbers alone: hyperdnn run {name}"
                )
            path.parent.mkdir(parents=True, exist_ok=True)  # what cannot be kept is not measured
            folder = new_folder(options.out, name, config.seed)
        seeds = range(config.seed, config.seed + (options.seeds or recipe.seeds))
        try:
            results = execute(options, name, config, folder=folder, seeds=seeds)
        except KeyboardInterrupt:
            line = shlex.join(["hyperdnn", "run", name, "--resume", str(folder)])
            raise KeyboardInterrupt(f"{path} is as it was; {way_on(folder, line)}") from None
        print(lab.report.table(results))
        lab.report.write_json(path, _record(recipe, results, path))
    lab.report.refresh_readme(Path("README.md"), options.results)
    print(f"\nResults  {path}")


def _record(recipe: "RecipeFile", results: "Results", path: Path) -> "Record":
    """The recipe's record with this experiment in its place; those of other settings are kept."""
    from hyperdnn import lab

    earlier = lab.report.read_json(path)["experiments"] if path.is_file() else []
    by_setting = {experiment["setting"]: experiment for experiment in [*earlier, results]}
    settings = _settings(recipe, None)
    experiments = [by_setting[setting] for setting in settings if setting in by_setting]
    return {
        "recipe": recipe.name,
        "experiments": experiments,
        "reproduced": len(experiments) == len(settings) and lab.report.all_hold(experiments),
    }


def _settings(recipe: "RecipeFile", only: str | None) -> list[str]:
    """The settings in which the recipe claims something, in the order of its claims."""
    settings = dict.fromkeys(setting for claim in recipe.claims for setting in claim.settings)
    return [setting for setting in settings if only in {None, setting}]
