"""``inspect``: what a trained model generates, in figures and in words."""

import argparse
import json

from hyperdnn.cli._look import add_run_options, look

PAGE = "inspect.html"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    inspect = commands.add_parser(
        "inspect",
        help="look at the weights that a trained model generates",
        description="Measures what the model of a run generates, context by context, and writes one page that says and "
        "shows it: how contexts differ, which layers and coordinates carry that, and what is dead.",
        allow_abbrev=False,
    )
    add_run_options(inspect)
    inspect.add_argument("--map", choices=["pca", "tsne"], default="pca", help="how maps are drawn (%(default)s)")
    inspect.add_argument("--json", action="store_true", help="the numbers as JSON, and no page")
    inspect.set_defaults(command=inspect_run)


def inspect_run(options: argparse.Namespace) -> int:
    """Loads the model, measures, writes the page and says what was found."""
    from hyperdnn import inspect
    from hyperdnn.lab._inside import inside
    from hyperdnn.lab._inside_report import write_page

    model, view = look(options)
    found = inside(view, draw=inspect.flat_map if options.map == "pca" else inspect.neighbour_map)
    if options.json:
        print(json.dumps(found.to_json(), indent=2, allow_nan=False))
        return 0
    path = write_page(found, model, options.run / PAGE, made_by=options.line)
    for paragraph in (*found.troubles, *found.paragraphs):
        print(paragraph)
    print(f"\nPage  {path}")
    return 0
