"""The pages build without a warning, and each recipe has one that says what its files say."""

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest

from hyperdnn import lab
from hyperdnn.lab._discover import discover

ROOT = Path(__file__).parents[2]
RECIPES = discover()


class _Text(HTMLParser):
    """All text and all pictures of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    pytest.importorskip("sphinx", reason="the pages are built by Sphinx")
    home = tmp_path_factory.mktemp("pages")
    for folder in ("docs", "results", "benchmarks"):  # a page links to what benchmarks draw
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("recipes", ".peers"))
    line = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "html"]
    # What recipes pretrain is not for the user's cache; matplotlib's fonts are there already.
    caches = {"XDG_CACHE_HOME": str(home / "cache"), "MPLCONFIGDIR": mpl.get_cachedir()}
    done = subprocess.run(line, cwd=home, env={**os.environ, **caches}, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    return home / "html" / "recipes"


def _read(page: Path) -> _Text:
    text = _Text()
    text.feed(page.read_text(encoding="utf-8"))
    return text


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_page_says_what_is_claimed_and_what_was_measured(recipe, pages):
    page = _read(pages / f"{recipe.name}.html")
    words = " ".join(page.words)
    assert f"hyperdnn run {recipe.name}" in words
    kinds = ("task-conditioned", "data-conditioned", "noise-conditioned", "inside a layer")
    assert any(kind in words for kind in kinds)
    path = ROOT / "results" / f"{recipe.name}.json"
    if not path.is_file():
        assert "Nothing was measured yet." in words
        return
    experiments = lab.report.read_json(path)["experiments"]
    rows = [lab.report.claim_row(verdict) for results in experiments for verdict in results["claims"]]
    assert [row["text"] for row in rows if " ".join(row["text"].split()) not in words] == []
    assert [row["measured"] for row in rows if row["measured"] not in words] == []
    assert page.pictures
    assert [name for name in page.pictures if not (pages / recipe.name).parent.joinpath(name).is_file()] == []


def test_the_index_leads_to_every_page(pages):
    index = (pages / "index.html").read_text(encoding="utf-8")
    assert [recipe.name for recipe in RECIPES if f'href="{recipe.name}.html"' not in index] == []
