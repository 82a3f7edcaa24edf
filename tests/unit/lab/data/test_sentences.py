from collections import Counter

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import SENTENCE_SETS, available, sentence_set, simulated_sentences
from hyperdnn.lab.data._sentences import _divided

FILES = ("sentence_classification", "ag_news_test", "amazon_blitzer", "glue_small", "mnli_5domains")
present = pytest.mark.skipif(
    not all(map(available, FILES)), reason="the sets of sentences are not on this machine: set HYPERDNN_DATA"
)

COUNTS = {  # training, validation, test, classes; a few texts occur twice
    "sst2": (6909, 872, 1821, 2),
    "subj": (7000, 1000, 2000, 2),
    "trec": (4834, 538, 500, 6),
    "mpqa": (5768, 824, 1648, 2),
    "cr": (2636, 376, 753, 2),
    "ag_news": (5320, 760, 1520, 4),
    "books": (1370, 195, 391, 2),
    "dvd": (1369, 195, 390, 2),
    "electronics": (1377, 196, 393, 2),
    "kitchen": (1386, 197, 395, 2),
    "cola": (7664, 853, 1039, 2),
    "rte": (2240, 248, 277, 2),
    "mnli_fiction": (2499, 198, 1973, 3),
    "mnli_government": (2499, 198, 1945, 3),
    "mnli_slate": (2499, 198, 1955, 3),
    "mnli_telephone": (2499, 198, 1966, 3),
    "mnli_travel": (2499, 198, 1976, 3),
}


@present
@pytest.mark.parametrize("name", SENTENCE_SETS)
def test_parts_have_their_sizes_and_share_no_text_with_training(name):
    found = sentence_set(name)
    assert (len(found.train), len(found.validation), len(found.test), found.classes) == COUNTS[name]
    assert not set(found.train.texts) & {*found.validation.texts, *found.test.texts}
    for part in (found.train, found.validation, found.test):
        assert set(part.labels) == set(range(found.classes))
        assert all(text == text.strip() != "" for text in part.texts)


@present
def test_known_sentences_have_their_classes():
    film = "a gob of drivel so sickly sweet , even the eager consumers of moore 's pasteurized ditties will retch it up"
    assert next(label for text, label in _pairs("sst2") if text.startswith(film)) == 0
    assert dict(_pairs("trec"))["What films featured the character Popeye Doyle ?"] == 1
    assert dict(_pairs("cr"))["many of our disney movies do n 't play on this dvd player ."] == 0
    assert next(label for text, label in _pairs("books") if text.startswith("Horrible book, horrible.")) == 0
    assert next(label for text, label in _pairs("ag_news") if text.startswith("Fears for T N pension")) == 2


@present
def test_of_a_pair_the_sentence_that_is_asked_about_stands_in_front():
    weapons = "No Weapons of Mass Destruction Found in Iraq Yet."
    assert dict(_pairs("rte"))[f"hypothesis: Weapons of Mass Destruction Found in Iraq. premise: {weapons}"] == 0
    thanks = "hypothesis: I appreciated the information. premise: I was just thankful for the information."
    assert dict(_pairs("mnli_fiction"))[thanks] == 2


@present
def test_sentences_that_nobody_would_say_are_told():
    judged = dict(_pairs("cola"))
    assert judged["The princess bowed."] == 1
    assert judged["They drank the pub."] == 0


def _pairs(name):
    found = sentence_set(name)
    return [
        p for part in (found.train, found.validation, found.test) for p in zip(part.texts, part.labels, strict=True)
    ]


def test_unknown_sets_get_advice():
    with pytest.raises(ConfigError, match=r"no set of sentences 'sst'\. Did you mean 'sst2'\?"):
        sentence_set("sst")


def test_one_part_is_divided_and_twins_count_once():
    rows = [(str(i), i % 2) for i in range(100)] + [("0", 1), ("1", 1)]
    found = _divided("numbers", [rows])
    assert [len(part) for part in (found.train, found.validation, found.test)] == [70, 10, 20]
    texts = Counter(found.train.texts + found.validation.texts + found.test.texts)
    assert len(texts) == 100
    assert (
        dict(zip(found.train.texts + found.validation.texts + found.test.texts, _labels(found), strict=True))["0"] == 0
    )
    assert _divided("numbers", [rows]).test.texts == found.test.texts


def _labels(found):
    return found.train.labels + found.validation.labels + found.test.labels


def test_what_is_tested_is_not_learnt_from():
    found = _divided("numbers", [[(str(i), 0) for i in range(50)], [("3", 1), ("x", 1)]])
    assert set(found.test.texts) == {"3", "x"}
    assert "3" not in found.train.texts
    assert len(found.validation) == 5
    three = _divided("numbers", [[("a", 0), ("b", 1), ("c", 2)], [("b", 1)], [("c", 2)]])
    assert (three.train.texts, three.validation.texts, three.test.texts, three.classes) == (("a",), ("b",), ("c",), 3)


def test_simulated_classes_are_told_by_their_words():
    found = simulated_sentences("made up", 400, seed=3)
    assert found.name == "made up"
    assert simulated_sentences("made up", 400, seed=3).train.texts == found.train.texts
    assert simulated_sentences("made up", 400, seed=4).train.texts != found.train.texts
    seen = [Counter(), Counter()]
    for text, label in zip(found.train.texts, found.train.labels, strict=True):
        seen[label].update(set(text.split()))
    for one, other in (seen, seen[::-1]):
        telling = [word for word, times in one.most_common(4)]
        assert all(one[word] > 3 * other[word] for word in telling)
