"""Early stopping: when more training no longer helps on data that is not trained on."""

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._state import State

__all__ = ["Stopping"]


@final
class Stopping:
    """Looks at a validation loss, ends training that no longer lowers it, and puts the best weights back.

    What it has seen is kept in ``state.record``, so that a resumed training stops where it would have stopped.

    Args:
        state: its model is judged.
        validate: the loss of the model as it is, without a gradient.
        every: iterations between two looks; each costs one pass over the validation data.
        patience: iterations without a lower loss.
        log: where the losses go.
    """

    def __init__(self, state: State, validate: Callable[[], float], *, every: int, patience: int, log: Log) -> None:
        self.state = state
        self.validate = validate
        self.every = every
        self.patience = patience
        self.log = log

    def begin(self) -> None:
        """A training begins, of which nothing is known."""
        self.state.record["best"] = {"loss": math.inf, "step": self.state.step, "weights": {}}

    def is_over(self) -> bool:
        """After an iteration: whether it was the last."""
        state, best = self.state, self.state.record["best"]
        if state.step % self.every == 0:
            loss = self.validate()
            self.log.losses(state, {"validation": torch.tensor(loss)})
            if loss < best["loss"]:  # nan is not
                best |= {"loss": loss, "step": state.step, "weights": self._weights()}
        over: bool = state.step - best["step"] >= self.patience
        return over

    def finish(self) -> None:
        """Put the best weights back, if there was a look that found any."""
        best: dict[str, Any] = self.state.record.pop("best")
        self.state.model.load_state_dict(best["weights"], strict=False)

    def _weights(self) -> dict[str, Tensor]:
        """What training changes: frozen parameters stay as they are without help."""
        model = self.state.model
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        return {name: value.clone() for name, value in model.state_dict().items() if name not in frozen}
