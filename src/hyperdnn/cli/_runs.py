"""``demo`` and ``run``: train a recipe with its baselines, and leave a run folder and a page behind."""

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperdnn.cli._doctor import examine
from hyperdnn.cli._usage import count, typed_settings, usage

if TYPE_CHECKING:
    from hyperdnn.lab.report import Results

_DEMO = "continual/task_conditioned"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands of this file."""
    demo = commands.add_parser("demo", help="one recipe with its baselines, to see it work", allow_abbrev=False)
    add_output_options(demo)
    demo.set_defaults(command=run_recipe, name=_DEMO, config=None, setting=None, seed=None, variants=None)
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
        config = _configuration(options)
    seed = config.seed if options.seed is None else options.seed
    if not lab.train.launch(getattr(config, "train", None)):
        # Another process than the first one: it trains with the others and writes nothing.
        lab.run(options.name, config, folder=options.out, seeds=[seed], variants=options.variants, progress=False)
        return 0
    folder = new_folder(options.out, options.name, seed)
    results = execute(options, options.name, config, folder=folder, seeds=[seed])
    print(lab.report.table(results))
    print(f"\nReport  {folder / 'report.html'}")
    return 0


def execute(options: argparse.Namespace, name: str, config: object, *, folder: Path, seeds: Sequence[int]) -> "Results":
    """Trains into a run folder: configuration, machine, metrics, results, page.

    Args:
        options: the typed ones: variants, quiet, and the line itself.
        name: the recipe.
        config: its configuration.
        folder: where everything goes.
        seeds: one run for each.

    Returns:
        The results, as in ``results.json``.
    """
    from hyperdnn import lab
    from hyperdnn.lab._discover import load

    lab.config.write_yaml(config, folder / "config.yaml")
    machine = {**examine(), "commit": lab.report.environment()["commit"], "seeds": list(seeds)}
    lab.report.write_json(folder / "env.json", machine)
    results: Results = lab.run(
        name, config, folder=folder, seeds=seeds, variants=options.variants, progress=not options.quiet
    )
    lab.report.write_json(folder / "results.json", results)
    figures = load(name).figures
    lab.report.write_page(results, folder, figures(results) if figures else (), made_by=options.line)
    return results


def new_folder(out: Path, name: str, seed: int) -> Path:
    """Makes ``<out>/<recipe>/<time>-<seed>``, with a count added where two runs start in the same second."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{seed}"
    parent = out / (Path(name).stem if name.endswith(".py") else name)
    count = 1
    while True:
        folder = parent / (stem if count == 1 else f"{stem}-{count}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            count += 1
        else:
            return folder


def _configuration(options: argparse.Namespace) -> Any:
    from hyperdnn.lab._discover import DEFAULT, configuration, find, load
    from hyperdnn.lab.config import override_from_text, read_yaml, setting_names

    find(options.name)  # a misspelt name is answered before torch is imported
    if options.config:
        config: Any = read_yaml(load(options.name).config, options.config)
    else:
        config = configuration(options.name, options.setting or DEFAULT)
    typed = typed_settings(options.rest, settings=setting_names(config), options=options.known)
    for name in ("devices", "strategy"):
        value = getattr(options, name)
        if value is not None:
            typed[f"train.{name}"] = str(value)
    return override_from_text(config, typed)


def _words(text: str) -> list[str]:
    return text.split(",")
