import os
import sys
from dataclasses import dataclass

import pytest

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.config import override_from_text, read_yaml, write_yaml


@dataclass(frozen=True, kw_only=True)
class Train:
    lr: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    source: str = "digits"
    limit: int | None = 3
    hidden: tuple[int, ...] = (8,)
    conditional: bool = True
    train: Train = Train()


def test_a_configuration_survives_its_file(tmp_path):
    config = Config(seed=2, source="007", limit=None, hidden=(1, 2), train=Train(lr=1e-5))
    write_yaml(config, tmp_path / "c.yaml")
    assert read_yaml(Config, tmp_path / "c.yaml") == config


def test_a_file_lists_the_settings_in_the_order_of_the_fields(tmp_path):
    write_yaml(Config(), tmp_path / "c.yaml")
    lines = (tmp_path / "c.yaml").read_text().splitlines()
    assert [line.split(":")[0] for line in lines if line[0].isalpha()] == [
        *("seed", "source", "limit", "hidden", "conditional", "train")
    ]


def test_an_empty_file_is_the_default(tmp_path):
    (tmp_path / "c.yaml").write_text("# nothing\n")
    assert read_yaml(Config, tmp_path / "c.yaml") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed: 1", "c.yaml: Config has no setting 'sed'. Did you mean 'seed'?"),
        ("- 1", "c.yaml: expected 'name: value' lines, got list."),
        ("a: [", "c.yaml: not valid YAML"),
    ],
)
def test_errors_name_the_file(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_yaml(Config, tmp_path / "c.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        read_yaml(Config, tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("seed", "7", 7),
        ("source", "mnist", "mnist"),
        ("source", "007", "007"),
        ("source", "yes", "yes"),
        ("limit", "null", None),
        ("hidden", "[4, 5]", (4, 5)),
        ("conditional", "false", False),
        ("train", "{lr: 2}", Train(lr=2.0)),
    ],
)
def test_text_is_read_as_the_setting_wants_it(name, text, expected):
    assert getattr(override_from_text(Config(), {name: text}), name) == expected


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0e-3"])
def test_a_number_may_be_typed_in_any_form(text):
    assert override_from_text(Config(), {"train.lr": text}).train.lr == 1e-3


@pytest.mark.parametrize("text", ["x", "1.5", "[", "'"])
def test_text_that_does_not_fit_is_named(text):
    with pytest.raises(ConfigError, match="seed: expected whole number, got"):
        override_from_text(Config(), {"seed": text})


def test_a_missing_reader_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "c.yaml").touch()
    with pytest.raises(MissingExtraError, match=r'pip install "hyperdnn\[lab\]"'):
        read_yaml(Config, tmp_path / "c.yaml")


@pytest.mark.parametrize("place", ["/dev/zero", "folder", "pipe"])
def test_what_is_no_file_is_not_read(tmp_path, place):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="expected a file, found something else"):
        read_yaml(Config, tmp_path / place)


def test_a_file_of_any_length_is_not_read(tmp_path):
    (tmp_path / "c.yaml").write_text("# x\n" * 30_000)
    with pytest.raises(ConfigError, match=r"longer than 100,000 characters"):
        read_yaml(Config, tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {lr: .inf}", "train.lr: expected a finite number, got inf"),
        ("train: {lr: nan}", "train.lr: expected a finite number, got 'nan'"),
        (f"seed: 0x{'f' * 20}", "seed: expected a whole number of 64 bits"),
        (f"seed: 0x{'f' * 9000}", "seed: expected a whole number of 64 bits, got a number of thousands of digits"),
        (f"train: {{lr: 0x{'f' * 9000}}}", "train.lr: expected number, got a number of thousands of digits"),
        (f"seed: {'x' * 500}", r"seed: expected whole number, got 'x{99}\.{4}$"),
        ("1: 2", "Config has no setting '1'"),
    ],
)
def test_numbers_beyond_measure_are_refused_in_few_words(tmp_path, text, words):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        read_yaml(Config, tmp_path / "c.yaml")
    assert len(str(error.value)) < 400
