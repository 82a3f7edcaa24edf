"""Learning rates that change."""

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._state import State

__all__ = ["set_rate"]


def set_rate(state: State, rate: float) -> None:
    """Take the optimiser's next step, and those after it, at this learning rate.

    For a recipe's step, which makes a schedule of it: ``set_rate(state, lr * 0.999**state.step)``. It depends on
    nothing but the state, so a resumed training goes on with the right rate.

    Args:
        state: of the loop.
        rate: for all parameters.

    Raises:
        ConfigError: there is no optimiser yet.
    """
    if state.optimizer is None:
        raise ConfigError("set_rate: there is no optimiser before training.")
    for group in state.optimizer.param_groups:
        group["lr"] = rate
