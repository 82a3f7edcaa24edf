"""``demo`` and ``run``: train a recipe with its baselines, and leave a run folder and a page behind."""

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperdnn.cli._doctor import examine
from hyperdnn.cli._resume import Run, difference, newest, stopped, way_on
from hyperdnn.cli._usage import UsageError, count, is_first, typed_settings, usage
from hyperdnn.errors import nearest
from hyperdnn.lab._folder import CONFIG, ENVIRONMENT, RESULTS

if TYPE_CHECKING:
    from hyperdnn.lab.federated import Connect
    from hyperdnn.lab.report import Results

_DEMO = "continual/task_conditioned"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands of this file."""
    demo = commands.add_parser("demo", help="one recipe with its baselines, to see it work", allow_abbrev=False)
    add_output_options(demo)
    demo.set_defaults(command=run_recipe, name=_DEMO, config=None, setting=None, seed=None, variants=None, resume=None)
    demo.set_defaults(devices=None, strategy=None, track=None, engine=None)

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
    run.add_argument(
        "--strategy", choices=["auto", "ddp", "fsdp"], help="of several devices: copies of the model, or parts"
    )
    run.add_argument("--engine", choices=["local", "flower"], help="where clients are: in this process, or Flower's")
    run.add_argument("--variants", type=_words, metavar="A,B", help="only these of the system and its baselines")
    run.add_argument(
        "--resume",
        metavar="auto|FOLDER",
        help="go on with a run that was stopped: the newest one of this kind, or that",
    )
    run.add_argument("--track", choices=["tensorboard"], help="also write the numbers for TensorBoard")
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
    if options.engine == "flower":
        _check_clients(run)  # torch: wrong usage is answered before
    resume = folder is not None
    if folder and options.track is None and (folder / "tensorboard").is_dir() and find_spec("tensorboard"):
        options.track = "tensorboard"  # the event files would end where the run was stopped
    options.variants = run.variants
    if not lab.train.launch(getattr(run.config, "train", None)):
        # Another process than the first one: it trains with the others, who tell it the folder.
        lab.run(options.name, run.config, folder=options.out, seeds=run.seeds, variants=run.variants, resume=resume)
        return 0
    if folder is None:
        with usage():
            folder = new_folder(options.out, options.name, run.seeds[0])
    train = partial(execute, options, options.name, run.config, folder=folder, seeds=run.seeds, resume=resume)
    try:
        results = _on_flower(options.name, run.config, train) if options.engine == "flower" else train()
    except KeyboardInterrupt:
        again = shlex.join(["hyperdnn", "run", options.name, "--resume", str(folder)])  # demo has no such option
        raise KeyboardInterrupt(way_on(folder, options.line if options.takes_settings else again)) from None
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
    clients: "Connect | None" = None,
) -> "Results":
    """Trains into a run folder: configuration, machine, metrics, results, page.

    Args:
        options: the typed ones: variants, quiet, track, and the line itself.
        name: the recipe.
        config: its configuration.
        folder: where everything goes.
        seeds: one run for each.
        resume: go on with the run that the folder holds.
        clients: where those of a federated recipe are; None for this process.

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
        track=options.track,
        clients=clients,
    )
    figures = load(name).figures
    line = lab.report.read_json(folder / ENVIRONMENT)["line"]  # the one that began: it makes these results again
    lab.report.write_page(results, folder, figures(results) if figures else (), made_by=line)
    lab.report.write_json(folder / RESULTS, results)  # last: it says that the run is finished
    return results


def new_folder(out: Path, name: str, seed: int) -> Path:
    """Makes ``<out>/<recipe>/<time>-<seed>``, with a count added where two runs start in the same second."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{seed}"
    parent = parent_of(out, name)
    count = 1
    while True:
        folder = parent / (stem if count == 1 else f"{stem}-{count}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            count += 1
        else:
            return folder


def _on_flower(name: str, config: object, train: "Callable[..., Results]") -> "Results":
    from hyperdnn.lab.federated import simulate

    results: list[Results] = []
    simulate(name, config, lambda clients: results.append(train(clients=clients)))
    return results[0]


def parent_of(out: Path, name: str) -> Path:
    """The folder of all folders of a recipe."""
    return out / (Path(name).stem if name.endswith(".py") else name)


def _requested(options: argparse.Namespace) -> tuple[Run, Path | None]:
    """What is to be run, and the folder of the run to go on with, if any."""
    if options.resume in {None, "auto"}:
        config = configuration_of(options)
        seed = config.seed if options.seed is None else options.seed
        run = Run(config=config, seeds=[seed], variants=options.variants)
        if options.resume is None or not is_first():
            return run, None  # the first process has the folder
        folder = newest(parent_of(options.out, options.name), options.name, run)
        if not options.quiet:
            said = f"going on with {folder}" if folder else "no run of this kind was stopped: a new one"
            print(f"hyperdnn: {said}", file=sys.stderr)
        return run, folder
    folder = Path(options.resume)
    kept = stopped(folder, options.name)
    named = options.config or options.setting
    run = Run(
        config=configuration_of(options) if named else _typed(kept.config, options),
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


def _check_clients(run: Run) -> None:
    from hyperdnn.lab.train._client import settings_of
    from hyperdnn.lab.train._processes import are_several

    with usage():
        settings_of(run.config)
    if are_several(getattr(run.config, "train", None)):
        raise UsageError("--engine flower: several devices do not share a federated run. Leave --devices out.")


def configuration_of(options: argparse.Namespace) -> Any:
    """The configuration that is asked for: by name or by file, with what was typed."""
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
    return re.split(r",(?! )", text)  # a name may hold a comma and a blank
