from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Sentences, VoiceShape, available, on_validation, voices
from hyperdnn.lab.data import _authors as module

SMALL = VoiceShape(characters=16, lines=10, drawn=3, features=4)
SETS = ("tiny_shakespeare", "sentence_classification", "text_republic")


def test_a_voice_is_in_one_group():
    found = voices("drawn", SMALL)
    groups = [part.voices.tolist() for part in (found.train, found.validation, found.test)]
    assert sorted(who for group in groups for who in group) == list(range(16))
    assert [len(group) for group in groups] == [10, 2, 4]
    assert groups[0] == list(range(10))  # known voices have the first numbers
    assert found.train.descriptions.shape == (10, 3, 4)
    assert found.test.descriptions.shape == (4, 1, 4)
    assert len(found.base.stored) > 1000
    text = "".join(found.symbols[k] for k in found.test.stored)
    assert {"moon", "river"} <= set(text.split())


def test_everyone_learns_from_what_is_not_tested():
    known, every = voices("drawn", SMALL), voices("drawn", SMALL, everyone=True)
    assert every.train.voices.tolist() == list(range(16))
    assert every.train.lengths[:10].equal(known.train.lengths)
    assert every.test.stored.equal(known.test.stored)
    whole = every.train.lengths[-4:] + known.test.lengths
    assert (every.train.lengths[-4:] == (0.6 * whole).int()).all()
    ends = every.train.lengths.cumsum(0)
    own = every.train.stored[ends[-2] : ends[-1]]  # of the last voice
    tested = known.test.stored[-known.test.lengths[-1] :]
    assert len(own) + len(tested) == whole[-1]
    assert not own[:200].equal(tested[:200])


@pytest.mark.parametrize("everyone", [False, True])
def test_the_nearest_known_voice_is_one_that_is_trained_on(everyone):
    found = voices("drawn", SMALL, everyone=everyone)
    batch = found.test.side_by_side()
    nearest = found.as_nearest_known(batch)
    assert int(nearest.voices.max()) < 10
    assert nearest.inputs.equal(batch.inputs)
    described = replace(batch, context=found.train.descriptions[[3, 5, 3, 0]].mean(1))
    assert found.as_nearest_known(described).voices.tolist() == [3, 5, 3, 0]
    assert found.as_nearest_known(described).context.equal(found.train.descriptions[[3, 5, 3, 0], 0])


def test_tuning_sees_other_voices():
    found = on_validation(voices("drawn", SMALL))
    assert found.test.voices.equal(voices("drawn", SMALL).validation.voices)


def test_descriptions_are_of_lines_that_serve_for_nothing_else():
    pool = [f"line {k}" for k in range(80)]
    (spread,) = module._chosen(pool, 20, 1)
    assert spread.split("\n") == pool[::4]
    drawn = module._chosen(pool, 20, 3)
    assert len({*drawn}) == 3
    assert all(len(set(one.split("\n"))) == 20 and set(one.split("\n")) <= set(pool) for one in drawn)


def test_speeches_are_lines_of_whoever_speaks():
    play = "A:\none\ntwo\n\nB:\nthree\n\n\nA:\nfour\n"
    assert module._speakers(play) == {"A": ["one", "two", "four"], "B": ["three"]}


def test_a_voice_has_a_bounded_text_of_whole_lines(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 10)
    assert module._most(["abcd", "efgh", "i"]) == ["abcd", "efgh"]


def test_a_sentence_belongs_to_one_voice(monkeypatch):
    def sentences(name):
        texts = ("A moon .", "a moon!", "the sun") if name == "trec" else ("the Sun .", f"{name} is bright")
        return SimpleNamespace(train=Sentences(texts=texts, labels=(0, 1, 1)[: len(texts)]))

    monkeypatch.setattr(module, "sentence_set", sentences)
    monkeypatch.setattr(module, "_FEWEST", 1)
    found = module._sentences()
    assert (found["trec 0"], found["trec 1"], found["cr 1"]) == (["A moon ."], ["the sun"], ["cr is bright"])
    assert "cr 0" not in found


def test_strange_symbols_are_question_marks():
    assert module._numbers("a\né?").tolist() == module._numbers("a\n??").tolist()
    assert module._numbers("\n ~").tolist() == [0, 1, 95]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("drown", SMALL, r"there are no voices 'drown'. Did you mean 'drawn'\?"),
        ("drawn", VoiceShape(lines=81), "lines: voices are described by their first 80, got 81"),
        ("drawn", VoiceShape(characters=5000, features=4), "a text of .* characters has no passage of 5000"),
    ],
)
def test_what_is_not_there_is_refused(name, shape, message):
    with pytest.raises(ConfigError, match=message):
        voices(name, shape)


@pytest.mark.skipif(not all(map(available, SETS)), reason=f"{', '.join(SETS)} are not on this machine: HYPERDNN_DATA")
def test_published_counts():
    found = voices("plays_and_sentences", VoiceShape())
    assert [len(part) for part in (found.train, found.validation, found.test)] == [32, 5, 12]
    names = [found.names[k] for k in found.test.voices]
    assert names[:2] == ["KING RICHARD II", "ROMEO"]
    assert names[-3:] == ["mpqa 0", "sst2 1", "trec 3"]
    assert int(found.test.lengths.min()) == 2682
    assert len(found.symbols) == 96
    text = "".join(found.symbols[k] for k in found.base.stored)
    assert text.startswith("Produced by")
    assert "LICENSE" not in text
    assert torch.isfinite(found.train.descriptions).all()
