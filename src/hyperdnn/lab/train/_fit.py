"""Mini-batches of one data set."""

from functools import partial

from hyperdnn.lab.data import Task
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["fit"]


def fit(state: State, data: Task, settings: Settings, *, step: Step, evaluate: Evaluate, log: Log) -> Outcome:
    """Train on random batches of one data set, then evaluate.

    Args:
        state: trained in place.
        data: the data set.
        settings: how to optimise.
        step: the recipe's losses.
        evaluate: the recipe's metrics.
        log: where numbers go.

    Returns:
        The metrics.

    Raises:
        TrainingError: the loss is not finite.
    """
    engine = Engine(state, settings)
    data = engine.place(data)
    log.start(settings.iterations, done=state.step if engine.resumed else 0)
    engine.optimise(
        step,
        partial(data.train.sample, settings.batch_size),
        iterations=settings.iterations,
        log=log,
    )
    metrics = engine.evaluate(evaluate, data)
    log.metrics(state, metrics)
    return Outcome(metrics=metrics)
