"""Replaces a table on a page."""

import re
from pathlib import Path


def put(page: Path, name: str, table: str) -> None:
    """Puts a table between the marks ``<!-- name -->`` and ``<!-- end -->``.

    Raises:
        ValueError: the page has no such marks.
    """
    marked = re.compile(rf"<!-- {name} -->.*?<!-- end -->", re.DOTALL)
    text = page.read_text()
    if not marked.search(text):
        raise ValueError(f"{page} has no <!-- {name} --> ... <!-- end -->.")
    page.write_text(marked.sub(lambda _: f"<!-- {name} -->\n{table}\n<!-- end -->", text))
