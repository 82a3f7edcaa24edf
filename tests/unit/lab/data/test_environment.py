import sys
import warnings

import numpy as np
import pytest
import torch

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.data import Environment, Play, environment, on_validation, point_mass


class Countdown:
    """As many steps as the seed says, each worth what is done."""

    def reset(self, *, seed):
        self.left = seed % 7 + 1
        return np.array([self.left, 0.0]), {}

    def step(self, action):
        self.left -= 1
        return np.array([self.left, 1.0]), float(action.sum()), self.left == 0, False, {}


PLAY = Play(make=Countdown, actions=3, seeds=(0, 3, 4))


def test_all_episodes_are_played_to_their_end_side_by_side():
    calls = []

    def behaviour(observations):
        calls.append(observations[:, 0].tolist())
        return torch.ones(len(observations), 3)

    assert PLAY.returns(behaviour).tolist() == [3, 12, 15]
    assert calls == [[1, 4, 5], [3, 4], [2, 3], [1, 2], [1]]


def test_random_steps_follow_each_other_and_fill_the_box():
    steps = PLAY.sample(400, generator=torch.Generator().manual_seed(0))
    assert len(steps) == 400
    assert steps.actions.min() < -0.95
    assert steps.actions.max() > 0.95
    goes_on = steps.terminated[:-1] == 0
    assert steps.following[:-1][goes_on][:, 0].equal(steps.observations[1:][goes_on][:, 0])
    assert 0 < steps.terminated.sum() < 400


def test_random_steps_come_from_the_generator_alone():
    found = [PLAY.sample(20, generator=torch.Generator().manual_seed(seed)).rewards for seed in (1, 1, 2)]
    assert found[0].equal(found[1])
    assert not found[0].equal(found[2])


def test_scores_have_the_sense_of_returns():
    where = point_mass(0.9, reference=(-1200.0, -200.0))
    assert where.score(torch.tensor([-1200.0, -700.0, -200.0])).tolist() == [0, 0.5, 1]


def test_a_reference_that_scores_nothing_is_refused():
    with pytest.raises(
        ConfigError, match="'point mass': expected the return that scores 0 below the one that scores 1"
    ):
        point_mass(0.9, reference=(1.0, 1.0))


def test_episodes_to_validate_and_to_test_have_no_seed_in_common():
    where = point_mass(0.9, episodes=100)
    assert len(where.validation) == len(where.test) == 100
    assert not set(where.validation.seeds) & set(where.test.seeds)
    assert on_validation(where).test.seeds == where.validation.seeds


def test_it_moves():
    where = point_mass(0.9).to("meta")
    assert where.scale.device.type == "meta"
    assert {where.train.device, where.validation.device, where.test.device} == {"meta"}


def test_gymnasium_s_environments_take_actions_in_one_box():
    pytest.importorskip("gymnasium")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        where = environment("Pendulum-v1", episodes=2, reference=(-1200.0, -150.0))
    assert isinstance(where, Environment)
    assert (where.train.actions, where.scale.tolist()) == (1, [1, 1, 8])
    returns = where.test.returns(lambda seen: torch.zeros(len(seen), 1))
    assert returns.shape == (2,)
    assert (returns < 0).all()
    world, raw = where.train.make(), where.train.make().unwrapped
    world.reset(seed=3)
    raw.reset(seed=3)
    torque = raw.max_torque
    assert np.allclose(world.step(np.ones(1, np.float32))[0], raw.step(np.full(1, torque, np.float32))[0])
    steps = where.train.sample(201, generator=torch.Generator().manual_seed(0))
    assert not steps.terminated.any()  # it is cut off after 200
    assert not steps.following[199].equal(steps.observations[200])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Pendulum-v99", "environment 'Pendulum-v99': .*Pendulum"),
        ("Pendulam-v1", "environment 'Pendulam-v1'"),
        ("CartPole-v1", "'CartPole-v1': expected a vector for actions, got Discrete"),
        ("FrozenLake-v1", "'FrozenLake-v1': expected a vector for actions"),
    ],
)
def test_what_will_not_do_is_named(name, message):
    pytest.importorskip("gymnasium")
    with pytest.raises(ConfigError, match=message):
        environment(name)


def test_without_gymnasium_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtraError, match=r"hyperdnn\[rl\]"):
        environment("Pendulum-v1")
