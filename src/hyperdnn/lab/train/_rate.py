"""Learning rates that change."""

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._state import State

__all__ = ["set_rate", "warm_up"]


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


def warm_up(state: State, steps: int) -> None:
    """In the first steps, raise the learning rate in equal parts to what ``train.schedule`` has it at.

    A recipe's step calls it every time.

    Args:
        state: of the loop, whose configuration has the loop's settings as ``train``.
        steps: how many; 0 for none.

    Raises:
        ConfigError: there is no optimiser yet.
    """
    settings = state.config.train
    set_rate(state, settings.rate(state.step / settings.iterations) * min(1.0, (state.step + 1) / max(steps, 1)))
