"""An agent that learns from what it does in an environment."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Environment, Transitions
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._experience import Act, Experience
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._rollout_settings import RolloutSettings
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["rollouts"]


def rollouts(
    state: State,
    data: Environment,
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    act: Act,
    area: Sequence[str] = (),
) -> Outcome:
    """Take steps in an environment, remember them, and train on what is remembered, whoever took it (off-policy).

    The configuration has `RolloutSettings` as ``rollouts``. Before training there are steps of random actions; then the
    agent takes some, trains for some iterations, and so on. Each iteration gets `Transitions` drawn from all that are
    remembered. Episodes that measure the agent begin at seeds of their own, and nothing is learnt from them.

    A training that is resumed plays the episode that was under way again, from its seed and by its actions, and refuses
    to go on where the environment answers otherwise. A checkpoint holds all that is remembered.

    Args:
        state: trained in place.
        data: the environment.
        settings: how to optimise.
        step: the recipe's losses.
        evaluate: the recipe's metrics; measured before the first iteration, from time to time, and after the last one.
        log: where numbers go.
        act: what the agent does while it learns, exploration included.
        area: metrics whose mean over the training is wanted.

    Returns:
        The metrics at the end, and as ``area_<name>`` the area under a metric's curve, by trapezoids, over its length.
        As arrays ``curve_<name>``, what was measured after ``trained_for`` iterations and ``seen`` steps in the
        environment, lists included.

    Raises:
        ConfigError: no settings of rollouts, several batches in one iteration, or several processes.
        TrainingError: the loss is not finite.
        CheckpointError: what is to be resumed does not come back as it was.
    """
    how = _settings_of(state.config)
    if settings.accumulate > 1:
        raise ConfigError(f"train.accumulate: {settings.accumulate}, but one iteration draws once: set batch_size.")
    engine = Engine(state, settings)
    if engine.processes.number > 1:
        raise ConfigError("train.devices: rollouts trains in one process. Set it to 1.")
    data = engine.place(data)
    experience = Experience(state, data.train, how, iterations=settings.iterations)
    history: dict[str, list[Any]] = state.record.setdefault("history", {"trained_for": [], "seen": []})
    log.start(settings.iterations, done=state.step if engine.resumed else 0)

    def follow() -> Outcome:
        found = Outcome.of(engine.evaluate(evaluate, data))
        history["trained_for"].append(state.step)
        history["seen"].append(experience.seen)
        for name, value in {**found.metrics, **found.arrays}.items():
            history.setdefault(f"curve_{name}", []).append(value)
        log.metrics(state, found.metrics)
        return found

    def draw(*, generator: torch.Generator) -> Transitions:
        if state.step % how.evaluate_every == 0:
            follow()
            state.model.train()
        if state.step % how.updates == 0:
            experience.collect(act, how.collect)
        return experience.sample(settings.batch_size, generator=generator)

    engine.optimise(step, draw, iterations=settings.iterations, log=log)
    found = follow()
    areas = {f"area_{name}": _mean(history[f"curve_{name}"], history["trained_for"]) for name in area}
    log.metrics(state, areas)
    return Outcome(metrics={**found.metrics, **areas}, arrays=history)


def _settings_of(config: Any) -> RolloutSettings:
    found = getattr(config, "rollouts", None)
    if not isinstance(found, RolloutSettings):
        raise ConfigError(
            "rollouts: the configuration says nothing of them. Add the field: "
            "rollouts: lab.train.RolloutSettings = lab.train.RolloutSettings()"
        )
    return found


def _mean(values: Sequence[float], places: Sequence[int]) -> float:
    """The mean height of a line through points, by trapezoids."""
    pairs = pairwise(zip(places, values, strict=True))
    return sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairs) / places[-1]
