"""A learning rate that falls."""

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._state import State

__all__ = ["decay_lr"]


def decay_lr(state: State, lr: float, factor: float, *, every: int | float) -> None:
    """Set the learning rate of the next step: it is multiplied by a factor after each so many iterations.

    A recipe's step calls it. What it sets follows from the number of iterations alone, so a resumed run goes on as it
    would have gone.

    Args:
        state: of the training.
        lr: the rate in the beginning.
        factor: 1 keeps the rate.
        every: iterations, such as those of one pass over the data, which need not be a whole number.

    Raises:
        ConfigError: there is no optimiser yet.
    """
    if state.optimizer is None:
        raise ConfigError("decay_lr: there is no optimiser before training.")
    for group in state.optimizer.param_groups:
        group["lr"] = lr * factor ** int(state.step / every)
