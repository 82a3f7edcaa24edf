from dataclasses import dataclass

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least


@dataclass(frozen=True, kw_only=True)
class Config:
    size: int | None = 1
    rate: float = 0.5
    widths: tuple[int, ...] = (3, 1)


def test_numbers_from_the_bound_on_pass():
    check_least(Config(), 0, "rate")
    check_least(Config(), 1, "size", "widths")
    check_least(Config(size=None, widths=()), 1, "size", "widths")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(size=0), "size: expected 1 or more, got 0"),
        (Config(widths=(3, -1)), r"widths: expected 1 or more, got \(3, -1\)"),
        (Config(rate=float("nan")), "rate: expected 1 or more, got nan"),
    ],
)
def test_others_are_named(config, words):
    with pytest.raises(ConfigError, match=words):
        check_least(config, 1, "size", "widths", "rate")
