import numpy as np
import torch

from hyperdnn.lab.data import Trajectory


class Corridor:
    """Places 0, 1, 2, ...: it ends at 3 to the right, and is cut off after five steps. A seed says where it begins."""

    def reset(self, *, seed):
        self.place, self.steps = float(seed), 0
        return np.array([self.place]), {}

    def step(self, action):
        assert isinstance(action, np.ndarray)
        self.place, self.steps = self.place + action.item(), self.steps + 1
        return np.array([self.place]), self.place**2, self.place >= 3, self.steps >= 5, {}


def test_a_step_says_what_was_seen_before_and_after():
    episode = Trajectory(Corridor(), seed=1)
    row = episode.step(torch.tensor([0.5]))
    assert {name: tensor.tolist() for name, tensor in row.tensors().items()} == {
        "observations": [[1.0]],
        "actions": [[0.5]],
        "rewards": [2.25],
        "following": [[1.5]],
        "terminated": [0.0],
    }
    assert not episode.over


def test_an_end_is_told_from_a_cut():
    episode = Trajectory(Corridor(), seed=2)
    assert episode.step(torch.ones(1)).terminated.item() == 1
    assert episode.over
    episode = Trajectory(Corridor(), seed=0)
    ends = [episode.step(torch.zeros(1)).terminated.item() for _ in range(5)]
    assert ends == [0, 0, 0, 0, 0]
    assert episode.over


def test_seed_and_actions_lead_back():
    episode = Trajectory(Corridor(), seed=0)
    for action in (0.1, -0.7, 0.3):
        episode.step(torch.tensor([action]))
    again = Trajectory(Corridor(), episode.seed, episode.actions)
    assert again.observation.equal(episode.observation)
    assert again.step(torch.ones(1)).rewards.equal(episode.step(torch.ones(1)).rewards)


def test_an_observation_is_not_what_the_world_goes_on_writing_into():
    class Same(Corridor):
        row = np.zeros(1, dtype=np.float32)

        def reset(self, *, seed):
            return self.row, {}

        def step(self, action):
            self.row += 1
            return self.row, 0.0, False, False, {}

    episode = Trajectory(Same(), seed=0)
    row = episode.step(torch.zeros(1))
    episode.step(torch.zeros(1))
    assert (row.observations.item(), row.following.item()) == (0, 1)
