"""What cannot be planned."""

import pytest
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.planning import Needs


@pytest.mark.parametrize("answer", ["yes", 1, 0, 0.0])
def test_an_answer_that_is_neither_yes_nor_no(answer: object) -> None:
    with pytest.raises(ConfigError, match=r"related=.*, expected True, False, or None for an open question"):
        Needs(related=answer)


@pytest.mark.parametrize(("name", "size"), [("contexts", 0), ("contexts", 2.5), ("budget", -1), ("hidden", "64")])
def test_a_size_that_counts_nothing(name: str, size: object) -> None:
    with pytest.raises(ConfigError, match=rf"plan: {name}=.*{size}.*, expected a whole number from 1"):
        hd.plan(nn.Linear(2, 2), **{"contexts": 3, name: size})


def test_what_is_no_network() -> None:
    with pytest.raises(ConfigError, match=r"expected a Target or an nn\.Module, got list"):
        hd.plan([nn.Linear(2, 2)], contexts=3)
