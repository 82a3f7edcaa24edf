"""What a hypernet needs in order not to forget, between tasks and at each step."""

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses import Measure, output_change, remember
from hyperdnn.lab.train._state import State
from hyperdnn.models import HyperDNN

__all__ = ["change_of_earlier_tasks", "keep_earlier_tasks"]


def keep_earlier_tasks(model: HyperDNN, state: State, *, measure: Measure = dict) -> None:
    """Freeze the embeddings of earlier tasks, and put into ``state.memory`` what is generated for them now.

    A `BeforeTask` for `sequence`; `change_of_earlier_tasks` reads the memory.

    Args:
        model: its hypernet's encoder is a `Table` of tasks.
        state: its task is the one to be learnt next.
        measure: what is kept of the weights (see `remember`).
    """
    model.hypernet.encoder.freeze(range(state.task))
    state.memory = remember(model.hypernet, torch.arange(state.task), measure=measure)


def change_of_earlier_tasks(
    model: HyperDNN,
    state: State,
    loss: Tensor,
    *,
    lookahead: bool = True,
    num: int | None = None,
    measure: Measure = dict,
) -> Tensor:
    """How far the weights of earlier tasks have moved from what `keep_earlier_tasks` remembers (see `output_change`).

    Args:
        model: what is trained.
        state: with the memory.
        loss: of the present task.
        lookahead: measure where the optimiser's next step on this loss would lead, instead of where the model stands.
        num: earlier tasks to take, drawn at random; None for all.
        measure: the one that `keep_earlier_tasks` had.

    Raises:
        ConfigError: nothing has been remembered.
    """
    if state.memory is None:
        raise ConfigError("nothing is remembered. Give the loop before_task=lab.train.keep_earlier_tasks.")
    changes = state.lookahead(loss, of=model.hypernet) if lookahead and state.memory else None
    return output_change(
        model.hypernet, state.memory, changes=changes, num=num, generator=state.generator, measure=measure
    )
