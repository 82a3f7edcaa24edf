"""Few-shot problems: training on some classes, measuring on others."""

from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from hyperdnn.lab.data import Episodes, FewShot
from hyperdnn.lab.metrics import confidence_interval
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["episodes"]

_SEED: Final = 0  # of the problems that are measured: the same ones for all variants and seeds, so that these compare
_TOGETHER: Final = 20  # problems in one pass


def episodes(state: State, data: FewShot, settings: Settings, *, step: Step, evaluate: Evaluate, log: Log) -> Outcome:
    """Train on problems of the training classes, then measure many problems of the validation and test classes.

    A batch is `batch_size` problems. A model without parameters, such as nearest neighbours, is only measured.

    Args:
        state: trained in place.
        data: the problems.
        settings: how to optimise.
        step: the recipe's losses.
        evaluate: the recipe's metrics on some problems at once: one number for each problem, ``(problems,)``, or a row
            ``(problems, n)``, such as the accuracy after each inner step.
        log: where numbers go; those of the validation classes go nowhere else.

    Returns:
        For each metric its mean over test problems, and as ``<name>_interval`` the half-width of the mean's 95 %
        interval; rows become arrays. The interval is that of one trained model: it does not cover its seed.

    Raises:
        TrainingError: the loss is not finite.
    """
    engine = Engine(state, settings)
    data = engine.place(data)
    if any(parameter.requires_grad for parameter in state.model.parameters()):
        log.start(settings.iterations, done=state.step if engine.resumed else 0)
        draw = partial(data.train.sample, settings.batch_size)
        engine.optimise(step, draw, iterations=settings.iterations, log=log)
    validation = _measure(engine, evaluate, data.validation, data.tests)
    log.metrics(state, {f"validation_{name}": value for name, value in _named(validation, rows=False).items()})
    test = _measure(engine, evaluate, data.test, data.tests)
    metrics = _named(test, rows=False)
    log.metrics(state, metrics)
    return Outcome(metrics=metrics, arrays=_named(test, rows=True))


def _measure(engine: Engine, evaluate: Evaluate, source: Episodes, tests: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and interval of each metric."""
    generator = torch.Generator().manual_seed(_SEED)
    found: list[dict[str, Tensor]] = []
    for start in range(0, tests, _TOGETHER):
        batch = source.sample(min(_TOGETHER, tests - start), generator=generator)
        found.append(engine.evaluate(evaluate, batch))
    return {name: confidence_interval(torch.cat([one[name] for one in found])) for name in found[0]}


def _named(measured: dict[str, tuple[Tensor, Tensor]], *, rows: bool) -> dict[str, Any]:
    """Means and intervals by name: of the metrics that are a row, or of those that are a number."""
    return {
        key: value.tolist()
        for name, (mean, interval) in measured.items()
        if bool(mean.ndim) is rows
        for key, value in ((name, mean), (f"{name}_interval", interval))
    }
