"""The page of what is inside a model, in a real browser: nothing is loaded from outside, nothing is cut off."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperdnn import lab
from hyperdnn.lab._discover import load
from hyperdnn.lab._inside import inside
from hyperdnn.lab._inside_report import write_page

from .. import known
from .every_page import EveryPage


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = lab.Trained(
        name="continual/task_conditioned",
        recipe=replace(load("continual/task_conditioned"), view=None),
        variant="hypernet",
        config=SimpleNamespace(seed=0),
        model=known.model(adapts="2.*"),
        step=1000,
        finished=True,
    )
    found = inside(known.view(made.hyperdnn, 14))
    path = tmp_path_factory.mktemp("run") / "inspect.html"
    return write_page(found, made, path, made_by="hyperdnn inspect runs/continual/task_conditioned/20261122-000351-0")


class TestPage(EveryPage):
    figures = 9


def test_troubles_are_said_first(page: Any) -> None:
    assert page.locator("header .verdict").inner_text() == "✗ 1 thing to look at"
    said = page.locator("header p").all_inner_texts()
    assert said[1] == "'0.weight' and '0.bias' ignore the context: the same for all."
    assert "alone carries the whole difference" in " ".join(said)


def test_names_on_a_map_do_not_lie_on_each_other(page: Any) -> None:
    boxes = page.evaluate("""[...document.querySelectorAll('figure')]
        .filter(figure => figure.querySelector('h3').textContent.startsWith('Map'))
        .map(figure => [...figure.querySelectorAll('svg text')].filter(word => word.textContent.startsWith('task'))
            .map(word => { const b = word.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; }))""")
    assert len(boxes) == 2
    for drawn in boxes:
        assert len(drawn) > 5
        for k, (left, top, right, bottom) in enumerate(drawn):
            for other in drawn[:k]:
                wide = min(right, other[2]) - max(left, other[0])
                high = min(bottom, other[3]) - max(top, other[1])
                assert min(wide, high) < 3  # fonts of the browser are a little wider


def test_every_tensor_has_its_row(page: Any) -> None:
    rows = page.locator("table.metrics tbody th").all_inner_texts()
    assert rows == ["0.weight", "0.bias", "2.weight", "2.bias", "all"]
