"""Mini-batches of one data set."""

from functools import partial

from hyperdnn.lab.train._curve import curve_of, recording
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Data, Evaluate, Step, Validate
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["fit"]


def fit(
    state: State,
    data: Data,
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    validate: Validate | None = None,
    curve: str | None = None,
) -> Outcome:
    """Train on random batches of one data set, then evaluate.

    A model without parameters, such as an interpolation, is only evaluated.

    Args:
        state: trained in place.
        data: a `data.Task`, or anything else whose ``train`` hands out batches.
        settings: how to optimise.
        step: the recipe's losses.
        evaluate: the recipe's metrics; lists among them become arrays for figures.
        log: where numbers go.
        validate: the loss on data that is not trained on, for ``train.patience``.
        curve: a loss whose means over ``train.log_every`` batches become the array ``curve``.

    Returns:
        The metrics and arrays.

    Raises:
        TrainingError: the loss is not finite.
        ConfigError: there is patience without a validation loss.
    """
    engine = Engine(state, settings)
    data = engine.place(data)
    if any(True for _ in state.model.parameters()):
        log.start(settings.iterations, done=state.step if engine.resumed else 0)
        engine.optimise(
            step if curve is None else recording(step, curve, every=settings.log_every),
            partial(data.train.sample, settings.batch_size),
            iterations=settings.iterations,
            log=log,
            stopping=engine.stopping(validate, data, log=log),
        )
    found = engine.evaluate(evaluate, data)
    outcome = Outcome.of(found if curve is None else {**found, "curve": curve_of(state)})
    log.metrics(state, outcome.metrics)
    return outcome
