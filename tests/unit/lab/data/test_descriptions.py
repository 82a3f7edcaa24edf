import sys

import pytest
import torch

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.data import describing

SEA, HILL = "the ship , the sea and the wind", "a hill , a wood and a stone"
DOCUMENTS = [f"{text} {word}" for text in (SEA, HILL) for word in ("here", "there", "now", "then", "again")]
WORDS = [*DOCUMENTS, "here there", "now then", "again here"]


def test_texts_of_a_kind_are_near_each_other():
    describe = describing(WORDS, 3)
    rows = describe(["ship sea", "wind sea ship ship", "hill stone wood"])
    assert rows.shape == (3, 3)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.square().mean(-1), torch.ones(3))
    near = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=-1)
    assert near[0, 1] > 0.9
    assert near[0, 2] < 0


def test_how_much_a_text_says_does_not_matter_and_unknown_words_do_not_count():
    describe = describing(WORDS, 3)
    once, twice, more = describe(["ship sea", "sea ship", "ship sea quokka"])
    torch.testing.assert_close(once, twice)
    torch.testing.assert_close(once, more)


def test_marks_count_as_words():
    describe = describing([f"{text} {mark}" for text in ("one two", "two three", "one three") for mark in "?!."], 3)
    asked, told = describe(["one ?", "one ."])
    assert not torch.allclose(asked, told)


def test_it_is_the_same_every_time():
    assert describing(WORDS, 3)([SEA]).equal(describing(WORDS, 3)([SEA]))


def test_more_directions_than_documents_are_refused():
    with pytest.raises(
        ConfigError, match=r"features: 13 documents of .* words in common have no 13 directions. Take few"
    ):
        describing(WORDS, 13)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(MissingExtraError, match=r"hyperdnn\[lab\]"):
        describing(WORDS, 3)
