"""``demo`` and ``run``: train a recipe with its baselines, and leave a run folder and a page behind."""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperdnn.cli._doctor import examine
from hyperdnn.cli._resume import CONFIG, ENVIRONMENT, RESULTS, Run, difference, newest, stopped
from hyperdnn.cli._usage import UsageError, count, typed_settings, usage
from hyperdnn.errors import nearest

if TYPE_CHECKING:
    from hyperdnn.lab.report import Results

_DEMO = "continual/task_conditioned"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands of this file."""
    demo = commands.add_parser("demo", help="one recipe with its baselines, to see it work", allow_abbrev=False)
    add_output_options(demo)
    demo.set_defaults(command=run_recipe, name=_DEMO, config=None, setting=None, seed=None, variants=None, resume=None)
    demo.set_defaults(devices=None, strategy=None)

    run = commands.add_parser(
        "run",
        help="train a recipe with its baselines",
        usage="hyperdnn run NAME [options] [--name value ...]",
        epilog="Every setting of the recipe is an option too, with dots for nested ones: --beta 0.1 "
        "--train.iterations 100. `hyperdnn show NAME` lists them.",
        allow_abbrev=False,
    )
    run.add_argument("name", metavar="NAME", help="a recipe's name, or your own recipe file")
    source = run.add_mutually_exclusive_group()
    source.add_argument("--config", metavar="FILE", type=Path, help="your own configuration, a YAML file")
    source.add_argument("--setting", help="one of the recipe's configurations, such as tiny")
    run.add_argument("--seed", type=int, help="instead of the configuration's")
    run.add_argument("--devices", type=count, metavar="N", help="processes that share each batch, one device each")
    run.add_argument("--strategy", choices=["ddp", "fsdp"], help="of several devices: copies of the model, or parts")
    run.add_argument("--variants", type=_words, metavar="A,B", help="only these of the system and its baselines")
    run.add_argument(
        "--resume",
        metavar="auto|FOLDER",
        help="go on with a run that was stopped: the newest one of this kind, or that",
    )
    add_output_options(run)
    run.set_defaults(command=run_recipe, takes_settings=True)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that every command has which trains."""
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of run folders (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result")


def run_recipe(options: argparse.Namespace) -> int:
    """Trains, prints the table and names the page."""
    from hyperdnn import lab

    with usage():
        run, folder = _requested(options)
        _check(run, options.name)
    from hyperdnn.lab.train._processes import NO_CHECKPOINTS, are_several  # torch: wrong usage is answered before

    resume = folder is not None
    options.variants = run.variants
    if not lab.train.launch(getattr(run.config, "train", None)):
        # Another process than the first one: it trains with the others and writes nothing.
        lab.run(options.name, run.config, folder=options.out, seeds=run.seeds, variants=run.variants, resume=resume)
        return 0
    if are_several(getattr(run.config, "train", None)):
        print(f"hyperdnn: {NO_CHECKPOINTS}", file=sys.stderr)
    if folder is None:
        with usage():
            folder = new_folder(options.out, options.name, run.seeds[0])
    results = execute(options, options.name, run.config, folder=folder, seeds=run.seeds, resume=resume)
    print(lab.report.table(results))
    print(f"\nReport  {folder / 'report.html'}")
    return 0


def execute(
    options: argparse.Namespace,
    name: str,
    config: object,
    *,
    folder: Path,
    seeds: Sequence[int],
    resume: bool = False,
) -> "Results":
    """Trains into a run folder: configuration, machine, metrics, results, page.

    Args:
        options: the typed ones: variants, quiet, and the line itself.
        name: the recipe.
        config: its configuration.
        folder: where everything goes.
        seeds: one run for each.
        resume: go on with the run that the folder holds.

    Returns:
        The results, as in ``results.json``.
    """
    from hyperdnn import lab
    from hyperdnn.lab._discover import find, load

    if not resume:
        lab.config.write_yaml(config, folder / CONFIG)
        machine = {**examine(), "commit": lab.report.environment()["commit"]}
        request = {"recipe": find(name).name, "seeds": list(seeds), "variants": options.variants, "line": options.line}
        lab.report.write_json(folder / ENVIRONMENT, {**machine, **request})
    results: Results = lab.run(
        name,
        config,
        folder=folder,
        seeds=seeds,
        variants=options.variants,
        progress=not options.quiet,
        resume=resume,
    )
    figures = load(name).figures
    line = lab.report.read_json(folder / ENVIRONMENT)["line"]  # the one that began: it makes these results again
    lab.report.write_page(results, folder, figures(results) if figures else (), made_by=line)
    lab.report.write_json(folder / RESULTS, results)  # last: it says that the run is finished
    return results


def new_folder(out: Path, name: str, seed: int) -> Path:
    """Makes ``<out>/<recipe>/<time>-<seed>``, with a count added where two runs start in the same second."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{seed}"
    parent = _parent(out, name)
    count = 1
    while True:
        folder = parent / (stem if count == 1 else f"{stem}-{count}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            count += 1
        else:
            return folder


def _parent(out: Path, name: str) -> Path:
    return out / (Path(name).stem if name.endswith(".py") else name)


def _requested(options: argparse.Namespace) -> tuple[Run, Path | None]:
    """What is to be run, and the folder of the run to go on with, if any."""
    if options.resume in {None, "auto"}:
        config = _configuration(options)
        if options.resume:
            _check_one_process(config)
        seed = config.seed if options.seed is None else options.seed
        run = Run(config=config, seeds=[seed], variants=options.variants)
        folder = newest(_parent(options.out, options.name), options.name, run) if options.resume else None
        if options.resume:
            said = f"going on with {folder}" if folder else "no run of this kind was stopped: a new one"
            print(f"hyperdnn: {said}", file=sys.stderr)
        return run, folder
    folder = Path(options.resume)
    kept = stopped(folder, options.name)
    named = options.config or options.setting
    run = Run(
        config=_configuration(options) if named else _typed(kept.config, options),
        seeds=kept.seeds if options.seed is None else [options.seed],
        variants=options.variants or kept.variants,
    )
    other = difference(run, kept)
    if other is not None:
        raise UsageError(f"{folder} holds another run: {other}. Go on with it as it is, or start a new one.")
    return run, folder


def _check(run: Run, name: str) -> None:
    """What would otherwise be refused when the first variant, or a later one, begins."""
    from hyperdnn.lab._discover import load
    from hyperdnn.lab.config import check_seed

    for seed in run.seeds:
        check_seed(seed)
    known = load(name).variants
    for variant in run.variants or ():
        if variant not in known:
            raise UsageError(f"no variant '{variant}'.{nearest(variant, known)}")


def _check_one_process(config: Any) -> None:
    from hyperdnn.lab.train._processes import NO_CHECKPOINTS, are_several

    if are_several(getattr(config, "train", None)):
        raise UsageError(f"--resume: {NO_CHECKPOINTS}. Start it again, or train on one device.")


def _configuration(options: argparse.Namespace) -> Any:
    from hyperdnn.lab._discover import DEFAULT, configuration, find, load
    from hyperdnn.lab.config import read_yaml

    find(options.name)  # a misspelt name is answered before torch is imported
    if options.config:
        config: Any = read_yaml(load(options.name).config, options.config)
    else:
        config = configuration(options.name, options.setting or DEFAULT)
    return _typed(config, options)


def _typed(config: Any, options: argparse.Namespace) -> Any:
    """The configuration with what was typed."""
    from hyperdnn.lab.config import override_from_text, setting_names

    typed = typed_settings(options.rest, settings=setting_names(config), options=options.known)
    for name in ("devices", "strategy"):
        value = getattr(options, name)
        if value is not None:
            typed[f"train.{name}"] = str(value)
    return override_from_text(config, typed)


def _words(text: str) -> list[str]:
    return text.split(",")
