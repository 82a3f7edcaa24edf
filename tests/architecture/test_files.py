from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
RECIPES = [p for p in SOURCES if "recipes" in p.parts and not p.name.startswith("_")]
SHARED = 15


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _repeated(files: dict[str, list[str]], size: int) -> list[tuple[str, str, str]]:
    """Pairs of files with so many consecutive lines in common, and the first of these; blank lines do not count."""
    places: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name, lines in files.items():
        solid = [line.strip() for line in lines if line.strip()]
        for start in range(len(solid) - size + 1):
            places[tuple(solid[start : start + size])].add(name)
    return [(*pair, block[0]) for block, names in places.items() for pair in pairwise(sorted(names))]


@pytest.mark.parametrize(("paths", "ceiling"), [(SOURCES, 300), (TESTS, 400)], ids=["sources", "tests"])
def test_no_file_outgrows_its_ceiling(paths, ceiling):
    lengths = {str(path.relative_to(ROOT)): len(_lines(path)) for path in paths}
    assert {path: length for path, length in lengths.items() if length > ceiling} == {}


def test_files_are_private_and_folders_public():
    public = {"errors.py", "typing.py", "protocols.py"}
    loose = [p for p in SOURCES if not p.name.startswith("_") and p.name not in public and p not in RECIPES]
    assert loose == []


def test_recipes_share_no_long_stretch_of_lines():
    assert _repeated({p.stem: _lines(p) for p in RECIPES}, SHARED) == []


def test_a_shared_stretch_would_be_seen():
    common = [f"x{i} = {i}" for i in range(SHARED)]
    files = {"a": ["import os", *common], "b": [*common[:7], "", *common[7:], "y = 1"], "c": common[1:]}
    assert _repeated(files, SHARED) == [("a", "b", "x0 = 0")]
