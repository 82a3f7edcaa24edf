"""The inner loop that all loops share, on Lightning Fabric."""

from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, HyperDNNError
from hyperdnn.lab.data import Task
from hyperdnn.lab.train._gradients import whole
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._parts import Draw, Evaluate, Step
from hyperdnn.lab.train._processes import Processes
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State
from hyperdnn.lab.train._watch import Watch

__all__ = ["Engine", "TrainingError"]


_REMEDY = (
    "Lower train.lr, set train.clip_norm, which bounds the model's gradient, or train.clip_generated, which bounds the "
    "one that enters a hypernet."
)


class TrainingError(HyperDNNError, ArithmeticError):
    """Training that has left the numbers."""


@final
class Engine:
    """Optimises and evaluates the model of a state.

    Args:
        state: its model is moved to the device.
        settings: how to optimise.
    """

    def __init__(self, state: State, settings: Settings) -> None:
        self.state = state
        self.settings = settings
        self.watch = Watch(state.model, settings.clip_generated)
        self.processes = Processes(settings)
        self.processes.prepare(state)
        self.fabric = self.processes.fabric

    def place(self, task: Task) -> Task:
        """The task on the model's device."""
        return task.to(self.fabric.device)

    def optimise(self, step: Step, draw: Draw, *, iterations: int, log: Log) -> None:
        """Train for some iterations with a fresh optimiser: moments of an earlier task would be stale.

        Where losses are logged, hypernets are looked at (see `inspect.health`).

        Raises:
            ConfigError: the step returns no ``"loss"``.
            TrainingError: the loss is not finite, or under ``clip_norm`` the gradient.
        """
        state, every = self.state, self.settings.log_every
        state.optimizer = self.settings.make_optimizer(state.model.parameters())
        optimizer = self.fabric.setup_optimizers(state.optimizer)
        assert not isinstance(optimizer, tuple)  # as many as went in
        state.model.train()
        compute = self.processes.wrap(step, state)
        with self.watch.attached():
            for iteration in range(iterations):
                batch = self.processes.share(draw(generator=state.generator))
                with self.fabric.autocast():
                    losses = compute(batch)
                loss = self._checked(losses)
                optimizer.zero_grad()
                self.fabric.backward(loss)
                self._clip(optimizer)
                optimizer.step()
                state.step += 1
                if state.step % every == 0 or iteration + 1 == iterations:
                    log.losses(state, self.processes.mean(losses))
                    self.watch.look(state, log)
                self.watch.forget()
                log.advance()

    def evaluate(self, evaluate: Evaluate, task: Task) -> dict[str, float]:
        """The recipe's metrics on one task."""
        self.state.model.eval()
        with torch.no_grad(), self.fabric.autocast():
            return evaluate(self.state.model, task)

    def _checked(self, losses: dict[str, Tensor]) -> Tensor:
        if "loss" not in losses:
            raise ConfigError(f"the step returned {sorted(losses)}: expected 'loss' among them, which is minimised.")
        loss, state = losses["loss"], self.state
        mean = self.processes.mean(losses)  # so that all stop, if one must
        if not bool(torch.isfinite(mean["loss"])):
            values = ", ".join(f"{name} {value.item():g}" for name, value in mean.items())
            raise TrainingError(
                f"the loss is not finite at step {state.step} of task {state.task} ({values}). "
                f"{self.watch.origin()} {_REMEDY}"
            )
        return loss

    def _clip(self, optimizer: Any) -> None:  # Fabric's wrapper has no public name
        state, limit = self.state, self.settings.clip_norm
        if limit is None:
            return
        norm = self.fabric.clip_gradients(state.model, optimizer, max_norm=limit, error_if_nonfinite=False)
        if norm is not None and not bool(torch.isfinite(whole(norm))):
            raise TrainingError(
                f"the gradient is not finite at step {state.step} of task {state.task}, though the loss is; the step "
                f"was not taken. {_REMEDY}"
            )
