"""A page for each recipe, written before Sphinx reads the folder: nobody edits them by hand.

Each has the recipe's own text, the review's five criteria as `hyperdnn.inspect.classify` reads them off the model, the
commands, what was measured beside what was published, and the figures of the report, drawn from ``results/``.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hyperdnn as hd
from hyperdnn import inspect, lab
from hyperdnn.lab._discover import DEFAULT, configs, configuration, discover, load
from hyperdnn.lab._source import RecipeFile
from hyperdnn.lab.report import Results, Verdict
from hyperdnn.lab.report._table import markdown_rows

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RESULTS = Path(__file__).resolve().parents[1] / "results"
NOT_MEASURED = "Nothing was measured yet."


def setup(app: "Sphinx") -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write_gallery(Path(app.srcdir) / "recipes", RESULTS))
    return {"parallel_read_safe": True}


def write_gallery(folder: Path, results: Path) -> None:
    """Write ``index.md`` and a page for each recipe, and remove what is there of earlier ones.

    Args:
        folder: of the pages.
        results: of ``<family>/<name>.json``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    recipes = [(recipe, _record(results / f"{recipe.name}.json")) for recipe in discover()]
    for recipe, record in recipes:
        page = folder / f"{recipe.name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("\n".join(_page(recipe, record, page)), encoding="utf-8")
    (folder / "index.md").write_text("\n".join(_index(recipes)), encoding="utf-8")


def _record(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = {"experiments": [], "reproduced": False}
    return lab.report.read_json(path) if path.is_file() else record


def _index(recipes: Sequence[tuple[RecipeFile, dict[str, Any]]]) -> Iterator[str]:
    yield "# Recipes\n"
    yield "Every recipe is one published system in one readable file; what its publication claims is measured.\n"
    yield from markdown_rows(
        ("Recipe", "Idea", "Publication", "Outcome"),
        [
            (f"[{r.name}]({r.name}.md)", r.summary, f"{r.reference.venue} {r.reference.year}", _outcome(record))
            for r, record in recipes
        ],
    )
    yield "\n```{toctree}\n:hidden:\n"
    yield from (recipe.name for recipe, _ in recipes)
    yield "```\n"


def _outcome(record: dict[str, Any]) -> str:
    if not record["experiments"]:
        return "not measured"
    return "reproduced" if record["reproduced"] else "not all reproduced"


def _page(recipe: RecipeFile, record: dict[str, Any], page: Path) -> Iterator[str]:
    yield f"# {recipe.name}\n"
    yield "```{eval-rst}\n" + recipe.text + "\n```\n"
    if recipe.reference.url:
        yield f"Publication: [{recipe.reference.title}]({recipe.reference.url}).\n"
    yield "## What kind of hypernet it is\n"
    yield from _criteria(recipe)
    yield "\n## Run it\n\n```console"
    for setting in configs(recipe) or [DEFAULT]:
        yield f"$ hyperdnn run {recipe.name}" + ("" if setting == DEFAULT else f" --setting {setting}")
    if recipe.claims:
        yield f"$ hyperdnn reproduce {recipe.name}  # measure the claims"
    yield "```\n"
    yield "## Measured and published\n"
    yield from _measured(recipe, record)
    yield from _figures(recipe, record, page)


def _criteria(recipe: RecipeFile) -> Iterator[str]:
    declared = load(recipe.name)
    built = declared.build(configuration(recipe.name, "tiny"))
    model = next((part for part in built.modules() if isinstance(part, hd.HyperDNN | hd.GraphHypernet)), None)
    if model is None:
        yield "Its weights are generated inside a layer, at every step anew; criteria are read off whole models."
        return
    rows = inspect.classify(model, conditioned_on=declared.conditioned_on).to_json()
    yield "By the five criteria of the review, read off the model of the smallest setting.\n"
    yield from markdown_rows(
        ("Criterion", "Answer", "Read from"),
        [(name.replace("_", " "), ", ".join(row["values"]), row["reason"]) for name, row in rows.items()],
    )


def _measured(recipe: RecipeFile, record: dict[str, Any]) -> Iterator[str]:
    if not record["experiments"]:
        yield NOT_MEASURED if recipe.claims else "This recipe claims nothing."
        return
    seeds = {len(experiment["seeds"]) for experiment in record["experiments"]}
    outcome = " All claims hold." if record["reproduced"] else ""
    yield f"Means over {' or '.join(map(str, sorted(seeds)))} seeds.{outcome}\n"
    rows = [_claim(results, claim) for results in record["experiments"] for claim in results["claims"]]
    yield from markdown_rows(("Claim", "Setting", "Bound", "Measured", "Published", "Holds"), rows)
    for results in record["experiments"]:
        yield f"\n### Setting {results['setting']}\n"
        yield f"```text\n{lab.report.table(results, width=100)}\n```\n"


def _claim(results: Results, verdict: Verdict) -> tuple[str, ...]:
    row = lab.report.claim_row(verdict)
    published = f"{row['published']} {row['source']}".strip()
    return row["text"], results["setting"], row["bound"], row["measured"], published, "✓" if row["holds"] else "✗"


def _figures(recipe: RecipeFile, record: dict[str, Any], page: Path) -> Iterator[str]:
    draw = load(recipe.name).figures
    if draw is None:
        return
    for results in record["experiments"]:
        for number, figure in enumerate(draw(results)):
            svg = isinstance(figure.image, str)
            picture = page.with_name(f"{page.stem}-{results['setting']}-{number}.{'svg' if svg else 'png'}")
            picture.write_bytes(figure.image.encode() if svg else figure.image)
            yield f"\n```{{figure}} {picture.name}\n:alt: {figure.alt}\n\n{figure.title}. {figure.caption}\n```\n"
