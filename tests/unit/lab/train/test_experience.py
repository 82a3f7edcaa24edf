from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.data import Play
from hyperdnn.lab.train import RolloutSettings, State
from hyperdnn.lab.train._experience import Experience


class Counter:
    """Shows how many steps the episode has had; it is cut off after four, or ends after seven to the right."""

    drift = 0

    def reset(self, *, seed):
        self.seed, self.steps, self.right = seed, 0, 0
        return np.array([0.0, seed % 97]), {}

    def step(self, action):
        self.steps += 1
        self.right += int(action[0] > 0)
        seen = np.array([self.steps + self.drift, self.seed % 97])
        return seen, float(action[0]), self.right >= 7, self.steps >= 4, {}


def make(settings, *, iterations=100, record=None, seed=0):
    state = State(model=nn.Linear(1, 1), config=SimpleNamespace(), generator=torch.Generator().manual_seed(seed))
    state.record = {} if record is None else record
    return Experience(state, Play(make=Counter, actions=1), settings, iterations=iterations)


def act(model, observations, state):
    return torch.rand(len(observations), 1, generator=state.generator)


def test_it_begins_with_random_steps():
    experience = make(RolloutSettings(start=9))
    assert experience.seen == 9
    record = experience.state.record["experience"]
    assert record["observations"][:9, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert record["actions"][:9].min() < 0  # of act they would be positive
    assert experience.sample(50, generator=torch.Generator()).observations.shape == (50, 2)


def test_what_the_agent_does_is_remembered_episode_after_episode():
    experience = make(RolloutSettings(start=2))
    experience.collect(act, 6)
    record = experience.state.record["experience"]
    assert experience.seen == 8
    assert record["observations"][2:8, 0].tolist() == [0, 1, 2, 3, 0, 1]
    assert record["following"][2:8, 0].tolist() == [1, 2, 3, 4, 1, 2]
    assert record["terminated"][:8].tolist() == [0] * 8
    assert (record["actions"][2:8] > 0).all()
    assert record["rewards"][2:8].equal(record["actions"][2:8, 0])


def test_nothing_is_drawn_that_was_not_seen():
    experience = make(RolloutSettings(start=3))
    experience.state.record["experience"]["rewards"][3:] = float("nan")
    assert experience.sample(200, generator=torch.Generator()).rewards.isfinite().all()


def test_the_oldest_is_forgotten_first():
    experience = make(RolloutSettings(start=2, capacity=3))
    experience.state.record["experience"]["rewards"][:2] = torch.tensor([100.0, 200.0])
    experience.collect(act, 2)
    assert (experience.sample(200, generator=torch.Generator()).rewards > 50).sum() > 0
    rewards = experience.state.record["experience"]["rewards"]
    assert rewards[1] == 200
    assert rewards[0] < 2
    experience.collect(act, 1)
    assert rewards[1] < 2
    assert experience.seen == 5


def test_more_random_steps_than_are_remembered_leave_the_last():
    experience = make(RolloutSettings(start=9, capacity=3, collect=0))
    record = experience.state.record["experience"]
    assert record["observations"][:, 0].tolist() == [2, 3, 0]
    assert len(experience.sample(5, generator=torch.Generator())) == 5


def test_there_is_no_more_room_than_there_will_be_steps():
    assert make(RolloutSettings(start=5, collect=2, updates=3), iterations=7).capacity == 11


@pytest.mark.parametrize("steps", [0, 1, 4, 5])
def test_the_episode_under_way_comes_back(steps):
    settings = RolloutSettings(start=2)
    experience = make(settings)
    experience.collect(act, steps)
    state = experience.state
    again = make(settings, record=state.record, seed=1)
    assert again.seen == 2 + steps
    if steps:
        assert again.episode.observation.equal(experience.episode.observation)
        assert again.episode.over == experience.episode.over
    again.state.generator.set_state(state.generator.get_state())
    again.collect(act, 3)
    found = {n: t.clone() for n, t in again.state.record["experience"].items() if isinstance(t, torch.Tensor)}
    state.record["experience"]["seen"] -= 3
    experience.collect(act, 3)
    assert all(state.record["experience"][name].equal(value) for name, value in found.items())


def test_an_environment_that_answers_otherwise_is_refused(monkeypatch):
    experience = make(RolloutSettings(start=2))
    experience.collect(act, 3)
    monkeypatch.setattr(Counter, "drift", 1)
    with pytest.raises(CheckpointError, match="does not come back to where it was: after the same 3 actions from seed"):
        make(RolloutSettings(start=2), record=experience.state.record)


def test_another_memory_is_refused():
    experience = make(RolloutSettings(start=2, capacity=7))
    with pytest.raises(CheckpointError, match="8 steps are to be remembered, but 7 were"):
        make(RolloutSettings(start=2, capacity=8), record=experience.state.record)
