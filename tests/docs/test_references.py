"""What the pages refer to exists: files behind relative links, and names of the package in code."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))
FOLDERS = (
    "bodies",
    "encoders",
    "export",
    "heads",
    "init",
    "inspect",
    "layout",
    "models",
    "optim",
    "planning",
    "targets",
)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def links(text: str) -> list[str]:
    """Relative targets of links and images, without their anchors."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link.partition("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]


def names(text: str) -> set[str]:
    """Dotted names of the package that stand between backticks, such as ``hd.Target.of`` or ``heads.FullHead``."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return {name for span in spans for name in re.findall(rf"(?<![\w./])(?:hd|{'|'.join(FOLDERS)})(?:\.\w+)+", span)}


def missing(name: str) -> str | None:
    """The first part of a dotted name that does not exist."""
    head, *rest = name.split(".")
    found = importlib.import_module("hyperdnn" if head == "hd" else f"hyperdnn.{head}")
    for part in rest:
        if not hasattr(found, part):
            return part
        found = getattr(found, part)
    return None


@every_page
def test_links_lead_to_files(page: Path) -> None:
    assert [link for link in links(page.read_text()) if not (page.parent / link).exists()] == []


@every_page
def test_names_exist(page: Path) -> None:
    assert sorted(name for name in names(page.read_text()) if missing(name)) == []


def test_the_readme_lists_every_part() -> None:
    text = PAGES[0].read_text()
    for folder in ("bodies", "encoders", "heads"):
        parts = importlib.import_module(f"hyperdnn.{folder}").__all__
        row = next(line for line in text.splitlines() if line.startswith(f"| `{folder}`"))
        assert set(re.findall(r"`(\w+)`", row)) == {folder, *parts}


def test_what_is_missing_is_found() -> None:
    assert links("[a](b/c.md#d) ![x](e.png) [y](https://z) [w](#v)") == ["b/c.md", "e.png"]
    assert names("`heads.FullHead(3)`, `x.heads.No`, `hd.Target.of` heads.Plain") == {"heads.FullHead", "hd.Target.of"}
    assert missing("hd.Target.of") is None
    assert missing("heads.FulHead") == "FulHead"
