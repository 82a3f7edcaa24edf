from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import flatten, from_mapping, override, setting_names, to_mapping


@dataclass(frozen=True, kw_only=True)
class Train:
    iterations: int = 10
    lr: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    conditional: bool = False
    source: Literal["digits", "mnist"] = "digits"
    hidden: tuple[int, ...] = (8, 8)
    image: tuple[int, float] = (1, 2.0)
    widths: list[int] = field(default_factory=list)
    weights: Mapping[str, float] = field(default_factory=dict)
    limit: int | None = None
    factor: int | float = 1
    folder: Path = Path("here")
    train: Train = Train(iterations=50)


@dataclass(frozen=True, kw_only=True)
class Strict:
    seed: int
    train: Train


@dataclass(frozen=True, kw_only=True)
class Ordered:
    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ConfigError("low must be below high")


def test_a_configuration_comes_back_from_its_mapping():
    config = Config(seed=3, hidden=(4,), weights={"a": 0.5}, limit=2, folder=Path("a/b"), train=Train(lr=1.0))
    assert from_mapping(Config, to_mapping(config)) == config


def test_a_mapping_holds_plain_values_only():
    mapping = to_mapping(Config())
    assert mapping["hidden"] == [8, 8]
    assert mapping["folder"] == "here"
    assert mapping["train"] == {"iterations": 50, "lr": 0.1}


def test_a_nested_mapping_keeps_the_recipes_own_defaults():
    assert from_mapping(Config, {"train": {"lr": 2.0}}).train == Train(iterations=50, lr=2.0)


def test_a_whole_number_serves_as_a_number_and_becomes_one():
    lr = from_mapping(Config, {"train": {"lr": 1}}).train.lr
    assert lr == 1.0
    assert isinstance(lr, float)


def test_a_number_that_yaml_reads_as_text_is_a_number():
    assert from_mapping(Config, {"train": {"lr": "1e-3"}}).train.lr == 1e-3


@pytest.mark.parametrize("factor", [2, 0.5])
def test_a_union_keeps_the_values_own_type(factor):
    assert repr(from_mapping(Config, {"factor": factor}).factor) == repr(factor)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"seeed": 1}, "Config has no setting 'seeed'. Did you mean 'seed'?"),
        ({"train": {"iteration": 1}}, "Train has no setting 'train.iteration'. Did you mean 'iterations'?"),
        ({"seed": "one"}, "seed: expected whole number, got 'one'."),
        ({"seed": True}, "seed: expected whole number, got True."),
        ({"conditional": 1}, "conditional: expected true or false, got 1."),
        ({"source": "cifar"}, "source: expected 'digits' or 'mnist', got 'cifar'."),
        ({"hidden": 8}, "hidden: expected list of whole number, got 8."),
        ({"hidden": [8, "x"]}, "hidden[1]: expected whole number, got 'x'."),
        ({"image": [1]}, "image: expected [whole number, number], got [1]."),
        ({"weights": {"a": "x"}}, "weights.a: expected number, got 'x'."),
        ({"limit": 0.5}, "limit: expected whole number or null, got 0.5."),
        ({"train": {"lr": True}}, "train.lr: expected number, got True."),
        ({"train": 3}, "train: expected Train, got 3."),
    ],
)
def test_what_does_not_fit_is_named(mapping, message):
    with pytest.raises(ConfigError) as error:
        from_mapping(Config, mapping)
    assert str(error.value) == message


def test_a_field_without_default_must_be_given():
    with pytest.raises(ConfigError, match="seed: no value, and Strict has no default"):
        from_mapping(Strict, {"train": {}})
    assert from_mapping(Strict, {"seed": 1, "train": {"lr": 3}}) == Strict(seed=1, train=Train(lr=3.0))


def test_override_changes_what_is_named_and_leaves_the_original():
    config = Config()
    changed = override(config, {"seed": 4, "train.iterations": 7})
    assert (changed.seed, changed.train) == (4, Train(iterations=7))
    assert config == Config()


def test_override_names_the_nearest_dotted_setting():
    with pytest.raises(ConfigError, match=r"no setting 'iterations'. Did you mean 'train.iterations'\?"):
        override(Config(), {"iterations": 7})


def test_changes_are_made_together():
    assert override(Ordered(), {"low": 5, "high": 6}) == Ordered(low=5, high=6)


def test_setting_names_are_dotted():
    assert setting_names(Strict(seed=0, train=Train())) == ["seed", "train", "train.iterations", "train.lr"]


def test_nested_names_are_dotted():
    nested = {"seed": 0, "train": {"lr": 0.1, "inner": {"a": [1, {"b": 2}]}}, "empty": {}}
    assert flatten(nested) == {"seed": 0, "train.lr": 0.1, "train.inner.a": [1, {"b": 2}], "empty": {}}
