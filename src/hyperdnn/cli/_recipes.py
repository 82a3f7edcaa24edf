"""``list``, ``show``, ``copy``: look at recipes and take one home. Nothing here imports torch."""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from hyperdnn.cli._usage import UsageError, usage
from hyperdnn.lab._discover import DEFAULT, configs, discover, find
from hyperdnn.lab._recipe import Claim
from hyperdnn.lab._source import RecipeFile


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands of this file."""
    listing = commands.add_parser("list", help="all recipes", allow_abbrev=False)
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(command=list_recipes)

    show = commands.add_parser("show", help="one recipe: publication, claims, settings", allow_abbrev=False)
    show.add_argument("name", metavar="NAME", help="a recipe's name, or your own recipe file")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command=show_recipe)

    copy = commands.add_parser("copy", help="a recipe and its configurations, to edit", allow_abbrev=False)
    copy.add_argument("name", metavar="NAME", help="a recipe's name")
    copy.add_argument("destination", metavar="DEST", nargs="?", default=".", help="a folder, or a new name.py")
    copy.set_defaults(command=copy_recipe)


def list_recipes(options: argparse.Namespace) -> int:
    """Prints one line for each recipe."""
    recipes = discover()
    if options.json:
        print(json.dumps([_as_json(recipe) for recipe in recipes], indent=2))
        return 0
    width = max((len(recipe.name) for recipe in recipes), default=0)
    for recipe in recipes:
        print(f"{recipe.name:<{width}}  {recipe.summary} ({_citation(recipe)})")
    return 0


def show_recipe(options: argparse.Namespace) -> int:
    """Prints what one recipe's file declares, and how to run it."""
    with usage():
        recipe = find(options.name)
    if options.json:
        print(json.dumps(_as_json(recipe), indent=2))
        return 0
    reference = recipe.reference
    print(f"{recipe.name}: {recipe.summary}\n\n{recipe.text}\n")
    print(f'Publication\n  {reference.authors}, "{reference.title}", {reference.venue} {reference.year}')
    if reference.url:
        print(f"  {reference.url}")
    if recipe.claims:
        print("\nClaims")
        for claim in recipe.claims:
            print(f"  {claim.text}\n    {_bound(claim)}")
    if recipe.settings:
        print("\nSettings (change one with --name value)")
        rows = [(s.name, f"{s.type} = {s.default}" if s.default else s.type, s.comment) for s in recipe.settings]
        widths = [max(len(row[i]) for row in rows) for i in range(2)]
        for name, value, comment in rows:
            print(f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {comment}".rstrip())
    if recipe.space:
        print(f"\nSearched by default (hyperdnn tune {options.name})")
        for name, values in recipe.space.items():
            print(f"  {name}={values}")
    print("\nRun it")
    for setting in configs(recipe) or [DEFAULT]:
        print(f"  hyperdnn run {options.name}" + ("" if setting == DEFAULT else f" --setting {setting}"))
    return 0


def copy_recipe(options: argparse.Namespace) -> int:
    """Copies a recipe's file and its configurations to where the user can edit them; overwrites nothing."""
    with usage():
        recipe = find(options.name)
        destination = Path(options.destination)
        own = destination if destination.suffix == ".py" else destination / recipe.path.name
        copies = {recipe.path: own}
        for path in configs(recipe).values():
            copies[path] = own.with_name(own.stem + path.name.removeprefix(recipe.path.stem))
        for target in copies.values():
            if target.exists():
                raise UsageError(f"{target} exists already. Choose another place: hyperdnn copy {options.name} DEST")
        own.parent.mkdir(parents=True, exist_ok=True)
        for source, target in copies.items():
            shutil.copyfile(source, target)
    for target in copies.values():
        print(target)
    print(f"\nEdit it, then run it: hyperdnn run {own if own.is_absolute() else f'./{own.as_posix()}'}")
    return 0


def _as_json(recipe: RecipeFile) -> dict[str, object]:
    return {
        "name": recipe.name,
        "summary": recipe.summary,
        "reference": asdict(recipe.reference),
        "claims": [asdict(claim) for claim in recipe.claims],
        "settings": [asdict(setting) for setting in recipe.settings],
        "space": recipe.space,
        "configurations": list(configs(recipe)),
    }


def _citation(recipe: RecipeFile) -> str:
    first, *others = recipe.reference.authors.split(",")
    authors = f"{first} et al." if others else first
    return f"{authors}, {recipe.reference.venue} {recipe.reference.year}"


def _bound(claim: Claim) -> str:
    low = f"at least {claim.at_least:g}" if claim.at_least is not None else ""
    high = f"at most {claim.at_most:g}" if claim.at_most is not None else ""
    published = f"; published: {claim.published:g}" if claim.published is not None else ""
    source = f" ({claim.source})" if claim.source else ""
    bound = " and ".join(part for part in (low, high) if part)
    against = f" minus {claim.minus}" if claim.minus else f" over {claim.over}" if claim.over else ""
    several = f"in {claim.hold or len(claim.settings)} of the settings " if len(claim.settings) > 1 else "in setting "
    return f"{claim.metric}{against} {bound} {several}{', '.join(claim.settings)}{published}{source}"
