"""Mini-batches of one data set."""

from functools import partial

from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Data, Evaluate, Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["fit"]


def fit(state: State, data: Data, settings: Settings, *, step: Step, evaluate: Evaluate, log: Log) -> Outcome:
    """Train on random batches of one data set, then evaluate.

    Args:
        state: trained in place.
        data: a `data.Task`, or anything else whose ``train`` hands out batches.
        settings: how to optimise.
        step: the recipe's losses.
        evaluate: the recipe's metrics; lists among them become arrays for figures.
        log: where numbers go.

    Returns:
        The metrics and arrays.

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
    found = engine.evaluate(evaluate, data)
    arrays = {name: value for name, value in found.items() if isinstance(value, list)}
    metrics = {name: value for name, value in found.items() if name not in arrays}
    log.metrics(state, metrics)
    return Outcome(metrics=metrics, arrays=arrays)
