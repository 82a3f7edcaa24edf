import re

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.tuning import Choice, Range
from hyperdnn.lab.tuning._space import configured, read_space


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("train.lr", "1e-4..1e-2:log", Range(low=1e-4, high=1e-2, log=True)),
        ("beta", "-1..1", Range(low=-1.0, high=1.0, log=False)),
        ("beta", "0.1...5", Range(low=0.1, high=0.5, log=False)),
        ("clip", "0.5..2", Range(low=0.5, high=2.0, log=False)),
        ("width", "2..8", Range(low=2, high=8, log=False)),
        ("width", "2, 8", Choice(texts=("2", "8"))),
        ("clip", "null,1.0", Choice(texts=("null", "1.0"))),
        ("layers", "[8],[16, 16],[]", Choice(texts=("[8]", "[16, 16]", "[]"))),
        ("activation", "relu,../tanh", Choice(texts=("relu", "../tanh"))),
        ("train.optimizer", "adam,sgd", Choice(texts=("adam", "sgd"))),
    ],
)
def test_text_is_read_as_it_is_meant(config, name, text, expected):
    found = read_space({name: text}, config)[name]
    assert found == expected
    if isinstance(expected, Range):
        assert type(found.low) is type(found.high) is type(expected.low)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.lrr", "1..2", "Config has no setting 'train.lrr'. Did you mean 'train.lr'?"),
        ("beta", "0.1", "beta: '0.1' is neither a range nor a choice. Write a range, such as 1e-4..1e-2:log"),
        ("beta", "", "'' has an empty choice"),
        ("beta", "1,,2", "'1,,2' has an empty choice"),
        ("beta", "1,2,1", "'1,2,1' offers '1' twice"),
        ("beta", "1..", "expected numbers as bounds, got ''"),
        ("beta", "1..x", "expected numbers as bounds, got 'x'"),
        ("beta", "1..inf", "expected finite bounds, got 'inf'"),
        ("beta", "nan..1", "expected finite bounds, got 'nan'"),
        ("beta", "1..2:lgo", "ends in ':lgo', expected ':log' or nothing"),
        ("beta", "2..1", "bounds the wrong way round. Write 1..2."),
        ("beta", "1..1.0", "leaves nothing to choose. Set it to 1 instead"),
        ("beta", "0..1:log", "'0..1:log' has no logarithm at 0. Begin above 0, or leave out ':log'"),
        ("beta", "-1..1:log", "no logarithm at -1"),
        ("beta", "low,high", "beta: expected number, got 'low'"),
        ("width", "2..8.5", "expected whole numbers as bounds, got '8.5'"),
        ("width", "2,2.5", "width: expected whole number, got 2.5"),
        ("activation", "a..b", "is a range, and this setting is no number. Write choices"),
        ("bias", "0..1", "is a range, and this setting is no number"),
        ("train", "0..1", "is a range, and this setting is no number"),
        ("train", "1,2", "train: expected Settings, got"),
        ("train.lr", "-1..1", "lr: expected 0 or more, got -1.0"),
        ("train.optimizer", "adam,adan", "train.optimizer: expected 'adam' or 'adamw' or 'sgd', got 'adan'"),
        ("seed", "0..9", "a seed is not chosen. seeds=[0, 1, 2] trains"),
    ],
)
def test_what_cannot_be_meant_is_named(config, name, text, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_space({name: text}, config)


def test_an_empty_space_says_how_one_looks(config):
    with pytest.raises(ConfigError, match=r"nothing to search: .* such as 1e-4\.\.1e-2:log"):
        read_space({}, config)


def test_values_arrive_to_the_last_bit(config):
    values = {"train.lr": 1 / 3e5, "width": 7, "layers": "[16, 16]", "clip": "null", "activation": "yes"}
    made = configured(config, values)
    assert (made.train.lr, made.width, made.layers, made.clip, made.activation) == (1 / 3e5, 7, (16, 16), None, "yes")
    assert made.beta == config.beta
