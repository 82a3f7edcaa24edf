import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Streams, Text, available, drawn_text, on_validation, tiny_shakespeare
from hyperdnn.lab.data import _text as module


def text(length: int) -> Text:
    """A text in which each character is the number of its place."""
    return Text(stored=torch.arange(length, dtype=torch.int32))


@given(length=st.integers(2, 60), streams=st.integers(1, 5), steps=st.integers(1, 9))
def test_segments_go_on_where_the_one_before_ended(length, streams, steps):
    if length // streams < 2:
        return
    read = list(text(length).streams(streams).segments(steps))
    inputs, targets = torch.cat([s.inputs for s in read]), torch.cat([s.targets for s in read])
    each = length // streams
    for stream in range(streams):
        begin = stream * each
        assert inputs[:, stream].tolist() == list(range(begin, begin + each - 1))
    assert targets.equal(inputs + 1)
    assert [s.first for s in read] == [True] + [False] * (len(read) - 1)
    assert all(len(s.inputs) == steps for s in read[:-1])
    assert 1 <= len(read[-1].inputs) <= steps


def test_after_the_last_segment_the_text_begins_again():
    streams = text(20).streams(2)
    assert streams.count(4) == 3
    assert streams.segment(2, steps=4).inputs.tolist() == [[8, 18]]
    again = streams.segment(3, steps=4)
    assert again.first
    assert again.inputs.equal(streams.segment(0, steps=4).inputs)
    assert [streams.segment(k, steps=4).first for k in range(7)] == [True, False, False, True, False, False, True]


def test_what_training_reads_depends_on_no_generator():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    streams = text(20).sample(3, generator=generator)
    assert isinstance(streams, Streams)
    assert streams.rows.equal(text(20).streams(3).rows)
    assert generator.get_state().equal(before)


@pytest.mark.parametrize("streams", [11, 20, 21])
def test_streams_in_which_nothing_can_be_predicted_are_refused(streams):
    with pytest.raises(ConfigError, match=f"20 characters make no {streams} streams.* Take fewer streams"):
        text(20).streams(streams)


def test_a_drawn_text_is_sentences_in_three_parts_that_follow_each_other():
    corpus = drawn_text(characters=2000, seed=0)
    parts = [corpus.train, corpus.validation, corpus.test]
    whole = "".join("".join(corpus.spell(part.stored.tolist())) for part in parts)
    assert 2000 <= len(whole) < 2060
    assert [len(part) for part in parts[1:]] == [len(whole) // 20] * 2
    assert sorted(set(whole)) == list(corpus.symbols)
    sentences = whole.splitlines()
    assert whole.endswith("\n")
    assert all(len(s.split()) == 5 and s[0].isupper() and s.endswith(".") for s in sentences)
    assert len(set(sentences)) == len(sentences)


def test_a_seed_decides():
    one, same, other = (drawn_text(characters=500, seed=seed).train.stored for seed in (0, 0, 1))
    assert one.equal(same)
    assert not one.equal(other)


def test_a_corpus_moves_and_can_hide_its_test():
    corpus = drawn_text(characters=500, seed=0)
    moved = corpus.to("meta")
    assert {part.stored.device.type for part in (moved.train, moved.validation, moved.test)} == {"meta"}
    assert moved.symbols == corpus.symbols
    assert on_validation(corpus).test is corpus.validation


def test_symbols_are_numbered_in_order():
    corpus = module._corpus("abc", "cab" * 20)
    assert corpus.symbols == "abc"
    assert torch.cat([corpus.train.stored, corpus.validation.stored, corpus.test.stored]).tolist() == [2, 0, 1] * 20


@pytest.mark.skipif(not available("tiny_shakespeare"), reason="tiny Shakespeare is not on this machine: HYPERDNN_DATA")
def test_published_counts():
    corpus = tiny_shakespeare()
    parts = (corpus.train, corpus.validation, corpus.test)
    assert sum(map(len, parts)) == 1_115_394
    assert [len(part) for part in parts] == [1_003_856, 55_769, 55_769]
    assert len(corpus.symbols) == 65
    assert "".join(corpus.spell(corpus.train.stored[:14].tolist())) == "First Citizen:"
    assert "".join(corpus.spell(corpus.test.stored[-10:].tolist())) == "t waking.\n"
