import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import RolloutSettings


@pytest.mark.parametrize(("iterations", "seen"), [(0, 10), (1, 12), (3, 12), (4, 14), (9, 16)])
def test_steps_come_at_the_beginning_of_each_group_of_iterations(iterations, seen):
    assert RolloutSettings(start=10, collect=2, updates=3).seen(iterations) == seen


@pytest.mark.parametrize(
    ("name", "value"), [("start", 0), ("collect", -1), ("updates", 0), ("capacity", 0), ("evaluate_every", 0)]
)
def test_numbers_that_make_no_sense_are_named(name, value):
    with pytest.raises(ConfigError, match=f"rollouts.{name}: expected"):
        RolloutSettings(**{name: value})
