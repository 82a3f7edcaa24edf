"""Task after task: continual learning."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean

import torch

from hyperdnn.lab.data import Task
from hyperdnn.lab.metrics import continual_summary
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import AfterTask, BeforeTask, Evaluate, Finish, Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["sequence"]


def sequence(
    state: State,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    before_task: BeforeTask | None = None,
    after_task: AfterTask | None = None,
    finish: Finish | None = None,
) -> Outcome:
    """Train on one task after the other, each with a fresh optimiser, and evaluate all seen ones after each.

    The recipe's metrics must have an ``"accuracy"``.

    Args:
        state: trained in place.
        tasks: in the order of learning.
        settings: how to optimise; iterations are for each task.
        step: the recipe's losses.
        evaluate: the recipe's metrics on one task.
        log: where numbers go.
        before_task: called before each task, the first included. A model may grow in it, by what the task alone says:
            to be resumed, a fresh one is made to grow by calling it for all tasks up to the present one.
        after_task: called after each task has been learnt and evaluated, the last included.
        finish: evaluates all tasks together, after the last.

    Returns:
        ``during_accuracy``, ``final_accuracy`` and ``forgetting``; and ``accuracy_matrix``, whose entry ``[i][j]`` is
        the accuracy on task j after learning task i, None for tasks that were not yet learnt. What `finish` finds
        stands beside them.

    Raises:
        TrainingError: the loss is not finite.
    """
    before = before_task or (lambda model, state: None)

    def regrow(present: int) -> None:
        for index in range(present + 1):
            state.task, state.step = index, index * settings.iterations
            before(state.model, state)

    engine = Engine(state, settings, regrow=regrow)
    tasks = [engine.place(task) for task in tasks]
    if not engine.resumed:
        state.task, state.record["accuracy_matrix"] = 0, []
    matrix: list[list[float | None]] = state.record["accuracy_matrix"]
    log.start(settings.iterations * len(tasks), done=state.step if engine.resumed else 0)
    for index in range(state.task, len(tasks)):
        state.task = index
        if not engine.resumed:
            with engine.processes.as_the_first():
                before(state.model, state)
        engine.optimise(
            step,
            partial(tasks[index].train.sample, settings.batch_size),
            iterations=settings.iterations,
            log=log,
        )
        seen = [engine.evaluate(evaluate, earlier)["accuracy"] for earlier in tasks[: state.task + 1]]
        matrix.append([*seen, *[None] * (len(tasks) - len(seen))])
        log.metrics(state, {"accuracy": fmean(seen)})
        if after_task is not None:
            after_task(state.model, tasks[state.task], state)
    numbers = torch.tensor([[float("nan") if x is None else x for x in row] for row in matrix], dtype=torch.float64)
    found = Outcome.of({} if finish is None else engine.evaluate(finish, tasks))
    metrics = {**continual_summary(numbers), **found.metrics}
    if finish is not None:
        log.metrics(state, metrics)
    return Outcome(metrics=metrics, arrays={"accuracy_matrix": matrix, **found.arrays})
