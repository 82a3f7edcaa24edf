import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import MASK, PADDING, Vocabulary

tokenizers = pytest.importorskip("tokenizers", reason="needs hyperdnn[peft]")
TEXTS = ["The cat sat on the mat.", "A cat, a hat!", "Ünder the mat the cat sat", ""] * 3


@pytest.fixture(scope="module")
def pieces():
    return Vocabulary.learn(TEXTS, 300)


def test_the_same_texts_give_the_same_pieces(pieces):
    again = Vocabulary.learn(iter(TEXTS), 300)
    assert again.sha256 == pieces.sha256 != Vocabulary.learn(TEXTS[:2], 300).sha256
    assert again.rows(TEXTS) == pieces.rows(TEXTS)
    assert 258 < len(pieces) <= 300


def test_frequent_words_are_one_piece_and_unknown_ones_are_spelt(pieces):
    cat, unknown = pieces.rows(["the CAT", "zebra"])
    assert len(cat) == 2
    assert len(unknown) > 2
    assert pieces.rows(["Under"]) == pieces.rows(["ünder"])
    assert not {PADDING, MASK} & {number for row in pieces.rows(TEXTS) for number in row}


def test_rows_are_cut_and_padded(pieces):
    long, short, empty = pieces.encode(["the cat sat on the mat", "the cat", ""], 4)
    assert long.tolist() == pieces.rows(["the cat sat on the mat"])[0][:4]
    assert short.tolist() == [*pieces.rows(["the cat"])[0], PADDING, PADDING]
    assert empty.tolist() == [PADDING] * 4
    assert short.dtype == torch.int32
    assert pieces.encode([], 4).shape == (0, 4)


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(ConfigError, match="size of 300 or more, got 299"):
        Vocabulary.learn(TEXTS, 299)


def test_padding_of_another_number_is_refused(pieces):
    other = tokenizers.Tokenizer.from_str(pieces.pieces.to_str())
    other.enable_padding(pad_id=1, pad_token="[MASK]")
    with pytest.raises(ConfigError, match="padding with the number 0, got 1"):
        Vocabulary(other)
    other.enable_padding(pad_id=0, pad_token="[PAD]")
    other.enable_truncation(1)
    assert Vocabulary(other).rows(TEXTS) == pieces.rows(TEXTS)  # neither padded nor cut
