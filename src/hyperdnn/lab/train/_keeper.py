"""Puts a loop's state on the disk and back, so that a training that was killed goes on as if it never had been."""

from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._jointly import jointly, rank
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._random import draw_apart, random_states, set_random_states
from hyperdnn.lab.train._restore import difference, restore_model, restore_optimizer
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State
from hyperdnn.lab.train._watch import Watch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Keeper", "model_values"]


@final
class Keeper:
    """Writes the checkpoints of a loop, and goes on from one.

    Args:
        state: what changes while the loop runs; put back at once if it is to be resumed.
        settings: how often, and how many.
        watch: has seen things that it should not tell twice.
        fabric: its precision may have a state.
        regrow: makes a model that grew while it was trained as large as it was in a task; None for models that do not.

    Raises:
        CheckpointError: a checkpoint of another model, or of a training that is finished.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        watch: Watch,
        fabric: "Fabric",
        *,
        regrow: Callable[[int], None] | None = None,
    ) -> None:
        self.state, self.settings, self.watch = state, settings, watch
        self.borrowed = False  # whether the random generators are those of another process
        self.precision = fabric.strategy.precision
        self.trained: list[str] = []
        self.total, self.count = 0.0, 0
        self.pending: dict[str, Any] | None = None
        if state.resumed is not None:
            self.pending = state.resumed.value(fabric.device)
            if "outcome" in self.pending:
                raise CheckpointError(
                    f"{state.resumed.folder} is the end of a training: there is nothing to go on with."
                )
            self.borrowed = state.resumed.process != rank()
            self._put_back(self.pending, regrow)

    def begin(self, log: Log) -> tuple[torch.optim.Optimizer, int]:
        """An optimiser, and how many iterations are done; random generators and log as they were then.

        Raises:
            CheckpointError: an optimiser with other settings or of other parameters, or a log that is too short.
        """
        state, pending = self.state, self.pending
        parameters = dict(state.model.named_parameters())
        if pending is None:
            self.trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
            return self.settings.make_optimizer(parameters.values()), 0
        self.pending = state.resumed = None
        self._check(pending)
        self.trained = pending["trained"]
        frozen = {name for name, parameter in parameters.items() if not parameter.requires_grad}
        _freeze(state.model, parameters.keys() - set(self.trained))  # as it was when the optimiser was made
        optimizer = self.settings.make_optimizer(parameters.values())
        _freeze(state.model, frozen)
        try:
            restore_optimizer(optimizer, pending["optimizer"])
            self.precision.load_state_dict(pending["precision"])
            state.generator.set_state(pending["generator"])
            set_random_states(pending["random"])
            if self.borrowed:
                draw_apart(rank())
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint does not fit this training: {error}") from error
        log.rewind(pending["log"])
        return optimizer, pending["iteration"]

    @property
    def due(self) -> bool:
        """Whether the step that was taken last wants a checkpoint."""
        state, every = self.state, self.settings.checkpoint_every
        return state.checkpoints is not None and every is not None and state.step % every == 0

    def see(self, loss: Tensor) -> None:
        """Count a loss towards the mean since the last checkpoint, which tells the best one."""
        if self.state.checkpoints is not None and self.settings.checkpoint_every is not None:
            self.total, self.count = self.total + loss.item(), self.count + 1

    def keep(self, iteration: int, log: Log) -> None:
        """Write a checkpoint.

        Args:
            iteration: how many are done since `begin`.
            log: is put on the disk too.

        Raises:
            CheckpointError: it cannot be written.
        """
        state = self.state
        assert state.optimizer is not None
        assert state.checkpoints is not None
        score = fmean(jointly(lambda: self.total / self.count))
        self.total, self.count = 0.0, 0
        value = {
            **model_values(state, log),
            "iteration": iteration,
            "record": state.record,
            "memory": state.memory,
            "settings": self._optimizing(),
            "trained": self.trained,
            "optimizer": state.optimizer.state_dict(),
            "precision": self.precision.state_dict(),
            "generator": state.generator.get_state(),
            "random": random_states(),
            "watch": self.watch.state_dict(),
        }
        state.checkpoints.write(value, score=score, keep=self.settings.keep_last)

    def _optimizing(self) -> dict[str, Any]:
        return {name: getattr(self.settings, name) for name in ("optimizer", "lr", "momentum", "weight_decay")}

    def _check(self, value: dict[str, Any]) -> None:
        """The optimiser goes on with the settings it had, so that others would be ignored without a word."""
        then = value.get("settings", {})
        for name, setting in self._optimizing().items():
            if then.get(name) != setting:
                raise CheckpointError(
                    f"train.{name} is {setting}, but was {then.get(name)} when the checkpoint was written. Go on with "
                    "what it was, or start a new run."
                )

    def _put_back(self, value: dict[str, Any], regrow: Callable[[int], None] | None) -> None:
        state = self.state
        saved = value.get("model")
        if not isinstance(saved, dict):
            raise CheckpointError("the checkpoint does not fit this model: it holds none.")
        task = value.get("task")
        if regrow is not None and isinstance(task, int) and difference(state.model, saved) is not None:
            regrow(task)
        other = difference(state.model, saved)
        if other is not None:
            raise CheckpointError(
                f"the checkpoint does not fit this model: {other}. If the model grew while it was trained, it must be "
                "as large before it goes on: `sequence` has before_task do that again, for which it may look at the "
                "task alone; for another loop, build the model that large."
            )
        try:
            restore_model(state.model, saved)
            _freeze(state.model, set(value["frozen"]))
            state.step, state.task = value["step"], value["task"]
            state.record, state.memory = value["record"], value["memory"]
            state.training_s = value["training_s"]
            self.watch.load_state_dict(value["watch"])
            if state.checkpoints is not None:
                state.checkpoints.earlier = value["seconds"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint does not fit this model: {error}") from error


def model_values(state: State, log: Log) -> dict[str, Any]:
    """What every checkpoint has: how far training is, the model, and how long the log is."""
    return {
        "step": state.step,
        "task": state.task,
        "model": state.model.state_dict(),
        "frozen": [name for name, parameter in state.model.named_parameters() if not parameter.requires_grad],
        "log": log.position(),
        "training_s": state.training_s,
        "seconds": 0.0 if state.checkpoints is None else state.checkpoints.seconds,
    }


def _freeze(model: nn.Module, names: set[str]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in names)
