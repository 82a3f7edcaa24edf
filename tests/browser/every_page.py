"""What holds of every page with figures that the project writes."""

from pathlib import Path
from typing import Any


class EveryPage:
    """Tests that a page's own class inherits."""

    figures: int  # on the page

    def test_nothing_is_loaded_from_outside(self, page: Any, page_file: Path) -> None:
        assert page.requested == [page_file.as_uri()]
        assert page.complaints == []

    def test_nothing_overflows(self, page: Any) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    def test_figures_have_a_size_and_a_description(self, page: Any) -> None:
        pictures = page.locator("figure svg")
        assert pictures.count() == self.figures
        for picture in pictures.all():
            box = picture.bounding_box()
            assert box["width"] > 250
            assert box["height"] > 100
            assert picture.get_attribute("aria-label")

    def test_no_word_of_a_figure_is_cut_off(self, page: Any) -> None:
        cut = page.evaluate("""[...document.querySelectorAll('figure svg text')].filter(word => {
            const box = word.getBoundingClientRect(), picture = word.ownerSVGElement.getBoundingClientRect();
            return box.left < picture.left - 1 || box.right > picture.right + 1
                || box.top < picture.top - 1 || box.bottom > picture.bottom + 1;
        }).map(word => word.textContent)""")
        assert cut == []

    def test_identifiers_are_unique(self, page: Any) -> None:
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
