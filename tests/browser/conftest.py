"""Chromium, and a page in it, as wide as a phone and as a desktop."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("chromium is not on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[400, 1200], ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.requested = []
    page.complaints = []
    page.on("request", lambda call: page.requested.append(call.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto(page_file.as_uri())
    yield page
    page.close()
