"""One part of a model after the other: a base before what reads it, outcomes before their effect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._only import remember_trainable, train_only
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Data, Evaluate, Step, Validate
from hyperdnn.lab.train._processes import are_several
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["Stage", "stages"]


@final
@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of a model, and how it is trained; all other parts are frozen meanwhile.

    Args:
        part: the path of the trained part in the model, as ``get_submodule`` takes it.
        step: the losses; None takes the recipe's.
        data: model and data -> what is trained on: what earlier parts say of the data. Made without gradients when the
            stage begins, and again when it is resumed, so it may depend on nothing else that changes. None takes the
            data itself.
        settings: configuration -> how to optimise; None takes the loop's.
        validate: the loss by which it may stop early, of the model and of what ``data`` made.
        prepare: model and data -> nothing: changes the model when the stage begins, before ``data``, by what earlier
            parts say of the data, such as the widths of its layers. Not again when it is resumed, so what it changes
            must be parameters and buffers, as large as they were.
    """

    part: str
    step: Step | None = None
    data: Callable[[Any, Any], Data] | None = None
    settings: Callable[[Any], Settings] | None = None
    validate: Validate | None = None
    prepare: Callable[[Any, Any], None] | None = None


def stages(
    state: State,
    data: Data,
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    plan: Sequence[Stage],
) -> Outcome:
    """Train one part of the model after the other, each with a fresh optimiser, then evaluate once.

    ``state.task`` counts the stages. Afterwards what could be trained before can be trained again.

    Args:
        state: trained in place.
        data: as for `fit`; what is evaluated, too.
        settings: how to optimise, for each stage that has no settings of its own.
        step: the recipe's losses, for each stage that has none of its own.
        evaluate: the recipe's metrics; lists among them become arrays for figures.
        log: where numbers go.
        plan: the stages in their order.

    Returns:
        The metrics and arrays.

    Raises:
        ConfigError: no stage, a part that the model does not have, one with nothing to train, or several processes.
        TrainingError: a loss is not finite.
        CheckpointError: what is to be resumed is of another plan.
    """
    if not plan:
        raise ConfigError("plan: expected at least one Stage.")
    if state.resumed is None:
        state.task = 0
        remember_trainable(state)
    else:
        state.task = int(state.resumed.value()["task"])
        if state.task >= len(plan):
            raise CheckpointError(f"the checkpoint is of stage {state.task + 1}, but the plan has {len(plan)}.")
    own = [settings if stage.settings is None else stage.settings(state.config) for stage in plan]
    if any(map(are_several, own)):
        raise ConfigError("train.devices: stages are trained in one process. Set it to 1.")
    for index in range(state.task, len(plan)):
        stage, engine = plan[index], Engine(state, own[index])
        if index == 0 or engine.resumed:
            log.start(sum(one.iterations for one in own), done=state.step)
        placed = engine.place(data)
        if not engine.resumed:
            state.task = index
            train_only(state, stage.part)
            if stage.prepare is not None:
                engine.evaluate(stage.prepare, placed)
        made = placed if stage.data is None else engine.place(engine.evaluate(stage.data, placed))
        engine.optimise(
            stage.step or step,
            partial(made.train.sample, own[index].batch_size),
            iterations=own[index].iterations,
            log=log,
            stopping=engine.stopping(stage.validate, made, log=log),
        )
    train_only(state, "")
    outcome = Outcome.of(engine.evaluate(evaluate, placed))
    log.metrics(state, outcome.metrics)
    return outcome
