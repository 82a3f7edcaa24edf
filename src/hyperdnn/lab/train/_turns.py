"""Players who take turns: each trains its own part of a model, by its own loss."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._jointly import number
from hyperdnn.lab.train._parts import Step
from hyperdnn.lab.train._rate import set_rate
from hyperdnn.lab.train._state import State

__all__ = ["Turn", "in_turns"]


@final
@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one player does in its turn.

    Args:
        part: the path of its part in the model, as ``get_submodule`` takes it.
        step: its losses.
        times: configuration -> how many steps it takes in a row; None for one.
        lr: configuration -> its learning rate; None takes that of the loop.
    """

    part: str
    step: Step
    times: Callable[[Any], int] | None = None
    lr: Callable[[Any], float] | None = None


def in_turns(*turns: Turn) -> Step:
    """One step for several players, for any loop: the first takes its steps, then the next, and so on from the start.

    While one of them is at it, all other parameters are constants: no gradient reaches them, and the optimiser leaves
    them and their moments alone. Which turn it is follows from ``state.step``, so that a resumed training goes on with
    it. What is logged are the losses of whoever is at it just then.

    Args:
        turns: in their order.

    Raises:
        ConfigError: no turn; when it is called: no steps in a turn, a part that the model does not have or that has
            nothing to train, or several processes.
    """
    if not turns:
        raise ConfigError("in_turns: expected at least one Turn.")

    def step(model: nn.Module, batch: Any, state: State) -> dict[str, Tensor]:
        if number() > 1:
            raise ConfigError("train.devices: players take turns in one process. Set it to 1.")
        turn = _at(turns, state)
        if state.optimizer is not None and turn.lr is not None:
            set_rate(state, turn.lr(state.config))
        with _alone(model, turn.part):
            return turn.step(model, batch, state)

    return step


def _at(turns: tuple[Turn, ...], state: State) -> Turn:
    """Whose turn it is."""
    times = [1 if turn.times is None else turn.times(state.config) for turn in turns]
    if min(times) < 1:
        raise ConfigError(f"Turn(part='{turns[times.index(min(times))].part}'): expected 1 step or more, got {times}.")
    place = state.step % sum(times)
    return next(turn for index, turn in enumerate(turns) if place < sum(times[: index + 1]))


@contextmanager
def _alone(model: nn.Module, part: str) -> Iterator[None]:
    """Inside, only one part can be trained."""
    try:
        own = {id(parameter) for parameter in model.get_submodule(part).parameters() if parameter.requires_grad}
    except AttributeError as error:
        raise ConfigError(f"Turn(part='{part}'): the model has no such part ({error}).") from error
    if not own:
        raise ConfigError(f"Turn(part='{part}'): nothing to train there: every parameter is frozen.")
    others = [one for one in model.parameters() if one.requires_grad and id(one) not in own]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)
