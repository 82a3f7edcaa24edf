"""Tables on the page are replaced, each by itself."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def put(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("page").put


def test_one_table_is_replaced_and_the_others_stay(put, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n")
    for _ in range(2):
        put(page, "one", r"| \1 |")
    assert page.read_text() == "a\n<!-- one -->\n| \\1 |\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n"


def test_a_page_without_the_marks_is_named(put, tmp_path):
    (tmp_path / "page.md").write_text("nothing")
    with pytest.raises(ValueError, match="has no <!-- one -->"):
        put(tmp_path / "page.md", "one", "x")
