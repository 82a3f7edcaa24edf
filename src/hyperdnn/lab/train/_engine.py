"""The inner loop that all loops share, on Lightning Fabric."""

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, HyperDNNError, MissingExtraError
from hyperdnn.lab.data import Task
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._parts import Draw, Evaluate, Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Engine", "TrainingError"]


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
        self.fabric = _fabric(settings)
        # One device needs no wrapper around the model, so a step gets what the recipe built, with all its verbs.
        self.fabric.to_device(state.model)

    def place(self, task: Task) -> Task:
        """The task on the model's device."""
        return task.to(self.fabric.device)

    def optimise(self, step: Step, draw: Draw, *, iterations: int, log: Log) -> None:
        """Train for some iterations with a fresh optimiser: moments of an earlier task would be stale.

        Raises:
            ConfigError: the step returns no ``"loss"``.
            TrainingError: the loss is not finite.
        """
        state, every = self.state, self.settings.log_every
        state.optimizer = self.settings.make_optimizer(state.model.parameters())
        optimizer = self.fabric.setup_optimizers(state.optimizer)
        assert not isinstance(optimizer, tuple)  # as many as went in
        state.model.train()
        for iteration in range(iterations):
            batch = draw(generator=state.generator)
            with self.fabric.autocast():
                losses = step(state.model, batch, state)
            loss = _checked(losses, state)
            optimizer.zero_grad()
            self.fabric.backward(loss)
            if self.settings.clip_norm is not None:
                self.fabric.clip_gradients(state.model, optimizer, max_norm=self.settings.clip_norm)
            optimizer.step()
            state.step += 1
            if state.step % every == 0 or iteration + 1 == iterations:
                log.losses(state, losses)
            log.advance()

    def evaluate(self, evaluate: Evaluate, task: Task) -> dict[str, float]:
        """The recipe's metrics on one task."""
        self.state.model.eval()
        with torch.no_grad(), self.fabric.autocast():
            return evaluate(self.state.model, task)


def _fabric(settings: Settings) -> "Fabric":
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise MissingExtraError("lightning-fabric", extra="lab") from None
    try:
        return Fabric(accelerator=settings.device, devices=1, precision=settings.precision)
    except RuntimeError as error:
        raise ConfigError(f"train.device: '{settings.device}' is not available on this machine. Use auto.") from error


def _checked(losses: dict[str, Tensor], state: State) -> Tensor:
    if "loss" not in losses:
        raise ConfigError(f"the step returned {sorted(losses)}: expected 'loss' among them, which is minimised.")
    loss = losses["loss"]
    if not bool(torch.isfinite(loss)):
        values = ", ".join(f"{name} {value.item():g}" for name, value in losses.items())
        raise TrainingError(
            f"the loss is not finite at step {state.step} of task {state.task} ({values}). "
            "Lower train.lr, or set train.clip_norm."
        )
    return loss
