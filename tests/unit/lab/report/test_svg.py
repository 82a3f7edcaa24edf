import sys

import matplotlib as mpl
import pytest

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.report._svg import canvas, svg


def draw() -> str:
    with canvas() as (figure, axes):
        axes.plot([1, 2], [3, 4])
        axes.set_xlabel("steps")
        return svg(figure)


def test_ink_comes_from_the_page() -> None:
    markup = draw()
    assert "currentColor" in markup
    assert "#010203" not in markup


def test_markup_is_bare_and_scales() -> None:
    markup = draw()
    assert markup.startswith("<svg")
    assert markup.endswith("</svg>")
    opening = markup[: markup.index(">")]
    assert "viewBox" in opening
    assert " width=" not in opening
    assert " height=" not in opening
    assert "<style" not in markup
    assert "<metadata" not in markup


def test_text_stays_text() -> None:
    assert ">steps</text>" in draw()


def test_the_same_figure_is_the_same_markup() -> None:
    assert draw() == draw()


def test_the_user_s_style_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    draw()
    assert dict(mpl.rcParams) == before


def test_a_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"hyperdnn\[lab\]"):
        draw()
