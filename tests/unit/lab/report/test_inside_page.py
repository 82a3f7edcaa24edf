import re

import pytest

from hyperdnn import inspect
from hyperdnn.lab.report import Figure, InsidePage, Section, write_inside

from .... import known


def page(**changes):
    figure = Figure(title="A title", caption="A caption.", alt="Instead.", image='<svg><g id="a"/></svg>')
    parts = {
        "recipe": "family/name",
        "subtitle": "what 'hypernet' generates",
        "troubles": (),
        "summary": ("One <paragraph>.", "Another."),
        "sections": [
            Section(title="First", figures=[figure, figure]),
            Section(title="Second", figures=[figure], notes=["Something is left out."]),
        ],
        "statistics": inspect.statistics(known.model(), known.contexts(1)),
        "command": "hyperdnn inspect runs/x",
        "facts": {"seed": "0"},
    }
    return InsidePage(**{**parts, **changes})


def written(tmp_path, **changes):
    path = write_inside(page(**changes), tmp_path / "new" / "inspect.html")
    return path.read_text(encoding="utf-8")


def test_words_come_first_and_are_escaped(tmp_path):
    text = written(tmp_path)
    assert "One &lt;paragraph&gt;." in text
    assert text.index("Another.") < text.index("First")
    assert "✓ nothing wrong was found" in text
    assert "hyperdnn inspect</title>" in text


def test_troubles_are_counted_and_said(tmp_path):
    text = written(tmp_path, troubles=("Dead contexts: 'a'.", "Another trouble."))
    assert "✗ 2 things to look at" in text
    assert text.index("Dead contexts") < text.index("Another trouble.") < text.index("One &lt;")


def test_figures_keep_identifiers_of_their_own(tmp_path):
    identifiers = re.findall(r'id="([^"]*)"', written(tmp_path))
    assert identifiers == ["f0-a", "f1-a", "f2-a"]
    assert written(tmp_path).count('aria-label="Instead."') == 3


def test_each_tensor_has_a_row_and_what_is_unknown_a_dash(tmp_path):
    text = written(tmp_path)
    for name in ("0.weight", "2.bias", "all"):
        assert f'<th scope="row">{name}</th>' in text
    assert "<td>\N{EN DASH}</td>" in text  # one context has no spread between
    assert "nan" not in text


def test_notes_stand_below_their_figures(tmp_path):
    text = written(tmp_path)
    assert text.index("Second") < text.index("Something is left out.")


@pytest.mark.parametrize("word", ["http:", "https:", "src=", "@import"])
def test_nothing_is_loaded(tmp_path, word):
    assert word not in written(tmp_path)
