"""The page of the benchmarks in a real browser."""

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "benchmarks" / "index.html"


@pytest.fixture(scope="module")
def page_file() -> Path:
    return PAGE


def test_nothing_is_loaded_from_outside(page: Any) -> None:
    assert page.requested == [PAGE.as_uri()]
    assert page.complaints == []


def test_nothing_overflows(page: Any) -> None:
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_bars_are_drawn_to_scale(page: Any) -> None:
    bars = page.locator("#W1 .bars > div:not(.cut)")
    drawn = {}
    for bar in bars.all():
        name, value = bar.locator(".name").inner_text(), bar.locator(".value").inner_text()
        drawn[name] = bar.locator(".bar").bounding_box()["width"] / float(value.split()[0])
    assert len(drawn) >= 5
    assert max(drawn.values()) < 1.02 * min(drawn.values())


def test_names_values_and_bars_do_not_touch(page: Any) -> None:
    touching = page.evaluate("""[...document.querySelectorAll('.bars > div')].filter(row => {
        const [a, b, c] = [...row.children].map(cell => cell.getBoundingClientRect());
        const before = (p, q) => p.right <= q.left + 1 || p.bottom <= q.top + 1;
        const apart = (p, q) => before(p, q) || before(q, p);
        return !(apart(a, b) && (!c || apart(b, c) && apart(a, c)));
    }).map(row => row.textContent)""")
    assert touching == []


def test_ours_differ_from_theirs_in_colour(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = [
            page.evaluate("name => getComputedStyle(document.querySelector(`#W1 .${name} .bar`)).backgroundColor", kind)
            for kind in ("ours", "peer", "reference")
        ]
        assert len(set(colours)) == 3


def test_every_verdict_is_said_in_words(page: Any) -> None:
    words = page.locator(".verdicts .verdict").all_inner_texts()
    assert words
    for word in words:
        assert word in {"reached", "undecided", "not measured"} or word.startswith("missed by ")


def test_curves_have_a_description_and_no_word_is_cut_off(page: Any) -> None:
    pictures = page.locator("figure svg")
    assert pictures.count() >= 6
    for picture in pictures.all():
        assert "both logarithmic" in picture.get_attribute("aria-label")
    cut = page.evaluate("""[...document.querySelectorAll('figure svg text')].filter(word => {
        const box = word.getBoundingClientRect(), picture = word.ownerSVGElement.getBoundingClientRect();
        return box.left < picture.left - 1 || box.right > picture.right + 1;
    }).map(word => word.textContent)""")
    assert cut == []
    assert not [word for word in page.locator("figure svg text").all_text_contents() if "$" in word]


def test_identifiers_are_unique(page: Any) -> None:
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
