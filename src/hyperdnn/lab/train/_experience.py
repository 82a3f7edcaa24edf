"""What an agent has seen, and the episode that is under way."""

from collections.abc import Callable
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.data import Play, Trajectory, Transitions
from hyperdnn.lab.train._rollout_settings import RolloutSettings
from hyperdnn.lab.train._state import State

__all__ = ["Act", "Experience"]

Act: TypeAlias = Callable[[Any, Tensor, State], Tensor]
"""Model, observations ``(n, observations)``, state -> what is done, ``(n, actions)`` in [-1, 1], exploration included:
all its randomness comes from the state's generator."""


@final
class Experience:
    """Remembers the last steps in an environment, and takes new ones.

    All of it is in ``state.record``, of the episode under way its seed and actions: a resumed training plays these
    again, and has what it had if the environment answers as it did.

    Args:
        state: of the loop.
        play: the environment.
        settings: how many steps are remembered.
        iterations: of training, for which there is to be room.

    Raises:
        CheckpointError: the environment does not come back to where it was, or another number of steps was remembered.
    """

    def __init__(self, state: State, play: Play, settings: RolloutSettings, *, iterations: int) -> None:
        self.state, self.play = state, play
        self.capacity = min(settings.capacity, settings.seen(iterations))
        self.episode: Trajectory | None = None
        if "experience" in state.record:
            self._come_back(state.record["experience"])
            return
        first = play.sample(settings.start, generator=state.generator).to("cpu").tensors()
        memory = {name: rows.new_zeros(self.capacity, *rows.shape[1:]) for name, rows in first.items()}
        for name, rows in first.items():
            memory[name][: len(rows)] = rows[-self.capacity :]
        state.record["experience"] = {**memory, "seen": settings.start, "episode": None}

    @property
    def seen(self) -> int:
        """Steps so far."""
        return int(self.state.record["experience"]["seen"])

    @torch.no_grad()
    def collect(self, act: Act, steps: int) -> None:
        """Take some steps in the episode that is under way, or in new ones."""
        state, record = self.state, self.state.record["experience"]
        for _ in range(steps):
            if self.episode is None or self.episode.over:
                self.episode = self.play.begin(state.generator)
            seen = self.episode.observation[None].to(self.play.device)
            row = self.episode.step(act(state.model, seen, state)[0])
            for name, value in row.tensors().items():
                record[name][record["seen"] % self.capacity] = value[0]
            record["seen"] += 1
            record["episode"] = {
                "seed": self.episode.seed,
                "actions": self.episode.actions,
                "observation": self.episode.observation,
            }

    def sample(self, size: int, *, generator: torch.Generator) -> Transitions:
        """Steps that are remembered, drawn with replacement."""
        record = self.state.record["experience"]
        rows = torch.randint(min(record["seen"], self.capacity), (size,), generator=generator)
        names = Transitions.__dataclass_fields__
        return Transitions(**{name: record[name][rows] for name in names}).to(self.play.device)

    def _come_back(self, record: dict[str, Any]) -> None:
        if len(record["rewards"]) != self.capacity:
            raise CheckpointError(
                f"rollouts: {self.capacity} steps are to be remembered, but {len(record['rewards'])} were when the "
                "checkpoint was written. Go on with the settings it had, or start a new run."
            )
        under_way = record["episode"]
        if under_way is None:
            return
        self.episode = Trajectory(self.play.make(), under_way["seed"], under_way["actions"])
        if not self.episode.observation.equal(under_way["observation"]):
            raise CheckpointError(
                f"rollouts: the environment does not come back to where it was: after the same "
                f"{len(under_way['actions'])} actions from seed {under_way['seed']} it shows something else than when "
                "the checkpoint was written. Its version may differ, or it draws from generators that reset(seed=) "
                "does not set: start a new run, with train.checkpoint_every at null."
            )
