"""The inner loop that all loops share, on Lightning Fabric."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, HyperDNNError
from hyperdnn.lab.train._float32 import generating_in_float32
from hyperdnn.lab.train._gradients import whole
from hyperdnn.lab.train._keeper import Keeper
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._parts import Data, Draw, Step, Validate
from hyperdnn.lab.train._processes import Processes
from hyperdnn.lab.train._rate import set_rate
from hyperdnn.lab.train._scale import Scale
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State
from hyperdnn.lab.train._stopping import Stopping
from hyperdnn.lab.train._stopwatch import Stopwatch
from hyperdnn.lab.train._watch import Watch

__all__ = ["Engine", "TrainingError"]

Placed = TypeVar("Placed", bound=Data)
Found = TypeVar("Found")

_REMEDY = (
    "Lower train.lr, set train.clip_norm, which bounds the model's gradient, or train.clip_generated, which bounds the "
    "one that enters a hypernet."
)
_HALF = "Numbers above 65504 are infinite in 16-mixed: set train.precision to bf16-mixed or 32-true."


class TrainingError(HyperDNNError, ArithmeticError):
    """Training that has left the numbers."""


@final
class Engine:
    """Optimises and evaluates the model of a state.

    A loop that trains by `optimise` alone is kept in checkpoints and resumed without code of its own, if it keeps what
    it measures in ``state.record``, and skips what is done: see `resumed`.

    Args:
        state: its model is moved to the device; it goes back to where ``state.resumed`` was written.
        settings: how to optimise.
        regrow: given a task, makes a fresh model as large as it was then, if it grew while it was trained.

    Raises:
        CheckpointError: what is to be resumed does not fit the model.
    """

    def __init__(self, state: State, settings: Settings, *, regrow: Callable[[int], None] | None = None) -> None:
        self.state = state
        self.settings = settings
        self.watch = Watch(state.model, settings.clip_generated)
        self.processes = Processes(settings)
        self.processes.prepare(state)
        self.fabric = self.processes.fabric
        self.scale = Scale(self.fabric)
        self.keeper = Keeper(state, settings, self.watch, self.fabric, regrow=regrow)

    @property
    def resumed(self) -> bool:
        """Whether the next call of `optimise` goes on in the middle, with state, task and record as they were then."""
        return self.keeper.pending is not None

    def place(self, data: Placed) -> Placed:
        """The data on the model's device."""
        placed: Placed = data.to(self.fabric.device)
        return placed

    def stopping(self, validate: Validate | None, data: Data, *, log: Log) -> Stopping | None:
        """What ends training early; None without ``settings.patience``, or a loss to stop by.

        Raises:
            ConfigError: training stops early in several processes.
        """
        patience = self.settings.patience
        if patience is None or validate is None:
            return None
        if self.processes.number > 1:
            raise ConfigError("train.patience: training stops early in one process only. Set it to null, or use one.")
        judge = partial(self._validate, validate, data)
        return Stopping(self.state, judge, every=self.settings.validate_every, patience=patience, log=log)

    def optimise(self, step: Step, draw: Draw, *, iterations: int, log: Log, stopping: Stopping | None = None) -> None:
        """Train for some iterations, or fewer, with a fresh optimiser: moments of an earlier task would be stale.

        Where losses are logged, hypernets are looked at (see `inspect.health`).

        Raises:
            ConfigError: the step returns no ``"loss"``, or there is patience and nothing to stop by.
            TrainingError: the loss is not finite, or under ``clip_norm`` the gradient, or the weights when a checkpoint
                is due. In ``"16-mixed"``, a gradient that is not finite costs a step, and is an error only if no
                scale of the loss helps.
            CheckpointError: a checkpoint cannot be written.
        """
        state, every = self.state, self.settings.log_every
        if stopping is None and self.settings.patience is not None:
            raise ConfigError("train.patience: this training has no validation loss to stop by. Set it to null.")
        if stopping is not None and not self.resumed:
            stopping.begin()
        state.optimizer, done = self.keeper.begin(log)
        optimizer = self.fabric.setup_optimizers(state.optimizer)
        assert not isinstance(optimizer, tuple)  # as many as went in
        state.model.train()
        compute = self.processes.wrap(step, state)
        with self.watch.attached(), Stopwatch(state) as stopwatch:
            for iteration in range(done, iterations):
                self.watch.scale = self.scale.value
                set_rate(state, self.settings.rate(iteration / iterations))
                losses = self._gradients(compute, draw, optimizer)
                self._clip(optimizer)
                self._step(optimizer)
                state.step += 1
                if state.step % every == 0 or iteration + 1 == iterations:
                    log.losses(state, self.processes.mean(losses))
                    self.watch.look(state, log)
                self.watch.forget()
                log.advance()
                self.keeper.see(losses["loss"])
                if stopping is not None and stopping.is_over():
                    break
                if self.keeper.due:
                    self._check_weights()
                    stopwatch.read()
                    self.keeper.keep(iteration + 1, log)
        if stopping is not None:
            stopping.finish()

    def evaluate(self, evaluate: Callable[[Any, Any], Found], data: Any) -> Found:
        """What the model says of data, such as the recipe's metrics on a task: in evaluation, without gradients."""
        self.state.model.eval()
        with torch.no_grad(), self._precision():
            return evaluate(self.state.model, data)

    def _validate(self, validate: Validate, data: Data) -> float:
        loss = self.evaluate(validate, data)
        self.state.model.train()
        return float(loss)

    def _gradients(
        self, compute: Callable[[Any], dict[str, Tensor]], draw: Draw, optimizer: Any
    ) -> dict[str, Tensor]:  # of Fabric's wrapper, as below
        """The mean gradient of as many batches as make one step; gives the mean of their losses."""
        state, batches = self.state, self.settings.accumulate
        seen: list[dict[str, Tensor]] = []
        for index in range(batches):
            batch = self.processes.share(draw(generator=state.generator))
            with self._precision():
                losses = compute(batch)
            loss = self._checked(losses)
            if index == 0:  # not before: what is not finite is traced to the gradients of the step before
                optimizer.zero_grad()
            self.fabric.backward(loss if batches == 1 else loss / batches)
            seen.append({name: value.detach() for name, value in losses.items()})
        if batches == 1:
            return seen[0]
        return {name: torch.stack([one[name] for one in seen if name in one]).mean() for name in seen[-1]}

    @contextmanager
    def _precision(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self.fabric.autocast())
            if self.settings.generate_in_float32:
                hypernets = [model.hypernet for model in self.watch.watched.values()]
                stack.enter_context(generating_in_float32(hypernets, self.fabric.device))
            yield

    def _checked(self, losses: dict[str, Tensor]) -> Tensor:
        if "loss" not in losses:
            raise ConfigError(f"the step returned {sorted(losses)}: expected 'loss' among them, which is minimised.")
        loss, state = losses["loss"], self.state
        mean = self.processes.mean(losses)  # so that all stop, if one must
        if not bool(torch.isfinite(mean["loss"])):
            values = ", ".join(f"{name} {value.item():g}" for name, value in mean.items())
            raise TrainingError(
                f"the loss is not finite at step {state.step} of task {state.task} ({values}). "
                f"{self.watch.origin()} {f'{_HALF} ' if self.scale.varies else ''}{_REMEDY}{self._way_back()}"
            )
        return loss

    def _check_weights(self) -> None:
        """A checkpoint is good: nobody goes back to weights that have left the numbers."""
        state = self.state
        for name, parameter in state.model.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise TrainingError(
                    f"the weights are not finite after step {state.step} of task {state.task}, though the loss was: "
                    f"'{name}'. {_REMEDY}{self._way_back()}"
                )

    def _way_back(self) -> str:
        newest = None if self.state.checkpoints is None else self.state.checkpoints.newest()
        return "" if newest is None else f" The last good checkpoint is {newest}."

    def _step(self, optimizer: Any) -> None:  # of Fabric's wrapper, as below
        state = self.state
        self.scale.step(optimizer)
        if self.scale.exhausted:
            raise TrainingError(
                f"the gradient is not finite at step {state.step} of task {state.task}, however little the loss is "
                f"scaled, though the loss is. {_HALF} {_REMEDY}{self._way_back()}"
            )

    def _clip(self, optimizer: Any) -> None:  # Fabric's wrapper has no public name
        state, limit = self.state, self.settings.clip_norm
        if limit is None:
            return
        norm = self.fabric.clip_gradients(state.model, optimizer, max_norm=limit, error_if_nonfinite=False)
        if self.scale.varies:
            return  # the step is skipped if the gradient overflowed
        if norm is not None and not bool(torch.isfinite(whole(norm))):
            raise TrainingError(
                f"the gradient is not finite at step {state.step} of task {state.task}, though the loss is; the step "
                f"was not taken. {_REMEDY}{self._way_back()}"
            )
