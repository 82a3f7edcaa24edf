"""All tasks of a sequence at once: what continual learning is measured against."""

from collections.abc import Sequence
from statistics import fmean

import torch

from hyperdnn.lab.data import Batch, Task
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["joint"]


def joint(
    state: State, tasks: Sequence[Task], settings: Settings, *, step: Step, evaluate: Evaluate, log: Log
) -> Outcome:
    """Train on all tasks of a sequence at once, with as many iterations as `sequence` has in all.

    Each batch comes from one task, drawn at random.

    Args:
        state: trained in place.
        tasks: in any order.
        settings: how to optimise; iterations are for each task.
        step: the recipe's losses.
        evaluate: the recipe's metrics on one task.
        log: where numbers go.

    Returns:
        The means of the metrics over tasks, as ``final_<name>``, so that they stand beside those of `sequence`.

    Raises:
        TrainingError: the loss is not finite.
    """
    engine = Engine(state, settings)
    tasks = [engine.place(task) for task in tasks]

    def draw(*, generator: torch.Generator) -> Batch:
        task = tasks[int(torch.randint(len(tasks), (), generator=generator))]
        return task.train.sample(settings.batch_size, generator=generator)

    iterations = settings.iterations * len(tasks)
    log.start(iterations, done=state.step if engine.resumed else 0)
    engine.optimise(step, draw, iterations=iterations, log=log)
    results = [engine.evaluate(evaluate, task) for task in tasks]
    metrics = {f"final_{name}": fmean(result[name] for result in results) for name in results[0]}
    log.metrics(state, metrics)
    return Outcome(metrics=metrics)
