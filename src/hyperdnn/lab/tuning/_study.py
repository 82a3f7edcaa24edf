"""What is tried next, and what came of it: an Optuna study in a file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.tuning._space import Choice, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = ["Direction", "Study", "Trial", "ranked"]

Direction: TypeAlias = Literal["maximize", "minimize"]
"""Which values of a metric are better, in Optuna's words."""

_NAME, _REQUEST = "tuning", "request"
_ENOUGH = 4  # measured trials before it makes sense to ask which settings matter


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of values that was tried.

    Args:
        number: in the study; the numbers of trials that were killed are left out.
        settings: dotted name -> value, as it would be typed.
        value: the metric on validation data, the mean over seeds; None for a training that left the numbers.
        seconds: how long it took.
    """

    number: int
    settings: Mapping[str, str | int | float]
    value: float | None
    seconds: float


def ranked(trials: Sequence[Trial], direction: Direction) -> list[Trial]:
    """The trials with a value, the best first; of equals the one that was tried first."""
    measured = [trial for trial in trials if trial.value is not None]
    return sorted(measured, key=lambda trial: trial.value or 0.0, reverse=direction == "maximize")


@final
class Study:
    """Proposes values by TPE and keeps what they led to.

    What is proposed depends on the seed and on the finished trials alone, so a study that was killed goes on with the
    very trial that was lost. No trial is stopped early: in the middle of its training there is no number that could be
    compared with that of another one.

    Args:
        path: of the SQLite file; made if missing. One process at a time may be at work in it.
        space: what is searched.
        request: what the study is of; a study of something else is refused.
        direction: of the metric.
        seed: of the proposals.

    Raises:
        MissingExtraError: Optuna is not installed.
        ConfigError: the file holds a study of something else, or none.

    Source:
        Bergstra, Bardenet, Bengio & Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011.
    """

    def __init__(
        self, path: Path, space: Space, *, request: Mapping[str, Any], direction: Direction, seed: int
    ) -> None:
        try:
            import optuna
            from sqlalchemy import URL
            from sqlalchemy.exc import SQLAlchemyError
        except ImportError:
            raise MissingExtraError("optuna", extra="hpo") from None
        self.path, self.seed = path, seed
        self.distributions = _distributions(space)
        address = URL.create("sqlite", database=str(path)).render_as_string()  # names with ? and % stay what they are
        try:
            with _silent():
                self.storage = optuna.storages.RDBStorage(address)
                self.study = optuna.create_study(
                    storage=self.storage, study_name=_NAME, direction=direction, load_if_exists=True
                )
        except (SQLAlchemyError, RuntimeError, optuna.exceptions.OptunaError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"{path} cannot be used as a study: {reason}. Choose another folder.") from error
        try:
            self._check(request)
            for trial in self._trials("RUNNING"):  # of a process that was killed
                self._tell(trial.number, state="FAIL")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    @property
    def finished(self) -> list[Trial]:
        """All trials that came to an end, in the order in which they were tried."""
        return [
            Trial(
                number=trial.number,
                settings={name: trial.params[name] for name in self.distributions},
                value=trial.value if trial.state.name == "COMPLETE" else None,
                seconds=trial.duration.total_seconds() if trial.duration else 0.0,
            )
            for trial in self._trials("COMPLETE", "PRUNED")
        ]

    @contextmanager
    def trying(self) -> Iterator["Attempt"]:
        """The next trial, whose value is told inside; one that is left without counts as failed and is tried again."""
        import numpy as np
        from optuna.samplers import TPESampler

        entropy = np.random.SeedSequence([abs(self.seed), len(self.finished)])  # training names a seed below 0
        self.study.sampler = TPESampler(seed=int(entropy.generate_state(1)[0]))
        with _silent():
            trial = self.study.ask(self.distributions)
        attempt = Attempt(trial.number, dict(trial.params))
        try:
            yield attempt
        except BaseException:
            self._tell(trial.number, state="FAIL")
            raise
        if attempt.diverged:
            self._tell(trial.number, state="PRUNED")  # the sampler takes these for worse than any that was measured
        else:
            self._tell(trial.number, value=attempt.value)

    def importance(self) -> dict[str, float]:
        """The share of each setting in what makes good trials good, the largest first; empty for too few trials.

        Optuna's own estimate (PED-ANOVA). It counts settings one at a time, not what they do together.
        """
        from optuna.importance import get_param_importances

        values = {trial.value for trial in self.finished if trial.value is not None}
        if len(values) < _ENOUGH or len(self.distributions) < 2:
            return {}
        with _silent():
            return dict(get_param_importances(self.study))

    def _check(self, request: Mapping[str, Any]) -> None:
        wanted = json.loads(json.dumps(request))
        kept = self.study.user_attrs.get(_REQUEST)
        if kept is None:
            self.study.set_user_attr(_REQUEST, wanted)
            return
        for name in {**kept, **wanted}:
            ours, theirs = (one.get(name, "nothing") for one in (wanted, kept))
            if ours != theirs:
                raise ConfigError(
                    f"{self.path.parent} holds another study: {name} {ours}, started with {theirs}. Go on with it as "
                    "it is, or choose another folder."
                )

    def _trials(self, *states: str) -> list["FrozenTrial"]:
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=[TrialState[state] for state in states])

    def _tell(self, number: int, *, value: float | None = None, state: str | None = None) -> None:
        from optuna.trial import TrialState

        with _silent():
            self.study.tell(number, value, state=None if state is None else TrialState[state])


@final
class Attempt:
    """A trial under way.

    Args:
        number: in the study.
        settings: dotted name -> value, as it would be typed.
    """

    def __init__(self, number: int, settings: Mapping[str, str | int | float]) -> None:
        self.number, self.settings = number, settings
        self.value = float("nan")

    @property
    def diverged(self) -> bool:
        """Whether there is no finite value."""
        return not abs(self.value) < float("inf")  # nan is not


def _distributions(space: Space) -> dict[str, "BaseDistribution"]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    made: dict[str, BaseDistribution] = {}
    for name, values in space.items():
        if isinstance(values, Choice):
            made[name] = CategoricalDistribution(values.texts)
        elif isinstance(values.low, int) and isinstance(values.high, int):
            made[name] = IntDistribution(values.low, values.high, log=values.log)
        else:
            made[name] = FloatDistribution(values.low, values.high, log=values.log)
    return made


@contextmanager
def _silent() -> Iterator[None]:
    """Inside, Optuna says nothing below an error; what it says elsewhere is its user's business."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
