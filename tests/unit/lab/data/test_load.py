import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import load


def test_options_reach_the_set() -> None:
    task = load("digits", pad=2, normalise=True)
    assert task.name == "digits"
    assert task.shape == (1, 12, 12)
    assert task.train[:].inputs.min() < 0


def test_a_misspelt_name_gets_advice() -> None:
    with pytest.raises(ConfigError, match=r"no data set 'minst'. Did you mean 'mnist'\?"):
        load("minst")
