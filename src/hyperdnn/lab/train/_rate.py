"""Learning rates that change."""

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._state import State

__all__ = ["set_rate"]


def set_rate(state: State, rate: float) -> None:
    """Take the optimiser's next step at this learning rate.

    A recipe's step makes a schedule of it, if it calls it every time: ``set_rate(state, lr * 0.999**state.step)``. A
    loop sets that of ``train.schedule`` before each step, so nothing but the state decides, and a resumed training goes
    on with the right rate.

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
