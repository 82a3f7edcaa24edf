import math
import sys

import pytest

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.tuning import Choice, Range
from hyperdnn.lab.tuning._study import Study, Trial, ranked

SPACE = {
    "lr": Range(low=1e-4, high=1.0, log=True),
    "width": Range(low=1, high=8, log=False),
    "act": Choice(texts=("a", "b")),
}
REQUEST = {"recipe": "toy", "space": {"lr": "1e-4..1:log"}, "seeds": [0]}


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def study(tmp_path):
    made = []

    def study(path=tmp_path / "study.db", *, request=REQUEST, seed=3):
        made.append(Study(path, SPACE, request=request, direction="minimize", seed=seed))
        return made[-1]

    yield study
    for one in made:
        one.close()


def _value(settings):
    return (math.log10(settings["lr"]) + 2) ** 2 + (settings["act"] == "a")


def _go_on(study, trials):
    while len(study.finished) < trials:
        with study.trying() as attempt:
            attempt.value = _value(attempt.settings)
    return [trial.settings for trial in study.finished]


def test_trials_lie_in_the_space_and_are_kept(study):
    first = study()
    settings = _go_on(first, 3)
    for one in settings:
        assert list(one) == ["lr", "width", "act"]
        assert 1e-4 <= one["lr"] <= 1.0
        assert isinstance(one["width"], int)
        assert 1 <= one["width"] <= 8
        assert one["act"] in {"a", "b"}
    assert len({one["lr"] for one in settings}) == 3
    again = study()
    assert again.finished == first.finished
    assert [trial.value for trial in again.finished] == [_value(one) for one in settings]
    assert all(trial.seconds >= 0 for trial in again.finished)


def test_the_search_depends_on_its_seed(study, tmp_path):
    one, other = (study(tmp_path / f"{i}.db", seed=seed) for i, seed in enumerate((3, 4)))
    assert _go_on(one, 2) != _go_on(other, 2)


def test_what_was_killed_is_tried_again(study, tmp_path):
    whole = _go_on(study(tmp_path / "whole.db"), 12)  # the last one where the search has learnt something
    first = study()
    with pytest.raises(KilledError), first.trying():
        raise KilledError
    _go_on(first, 11)
    lost = first.study.ask(first.distributions)  # of a process that could not say a word
    first.close()
    second = study()
    assert _go_on(second, 12) == whole
    numbers = [trial.number for trial in second.finished]
    assert {0, lost.number}.isdisjoint(numbers)


def test_a_trial_without_a_number_counts_as_bad(study):
    made = study()
    for value in (math.nan, math.inf, -math.inf):
        with made.trying() as attempt:
            attempt.value = value
    _go_on(made, 4)
    assert [trial.value is None for trial in made.finished] == [True, True, True, False]
    assert {trial.state.name for trial in made.study.get_trials()[:3]} == {"PRUNED"}


def test_the_best_comes_first_and_of_equals_the_earlier():
    values = [2.0, None, 1.0, 2.0]
    trials = [Trial(number=i, settings={}, value=value, seconds=0.0) for i, value in enumerate(values)]
    assert [trial.number for trial in ranked(trials, "minimize")] == [2, 0, 3]
    assert [trial.number for trial in ranked(trials, "maximize")] == [0, 3, 2]


def test_importance_waits_for_enough_trials_and_finds_what_matters(study):
    made = study()
    _go_on(made, 3)
    assert made.importance() == {}
    _go_on(made, 9)
    shares = made.importance()
    assert set(shares) == {"lr", "width", "act"}
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "lr"


def test_another_study_is_refused(study):
    study()
    for changes, message in (
        ({"recipe": "bear"}, "recipe bear, started with toy"),
        ({"space": {"lr": "1..2"}}, "space {'lr': '1..2'}, started with {'lr': '1e-4..1:log'}"),
        ({"seeds": [0, 1]}, r"seeds \[0, 1\], started with \[0\]"),
        ({"beta": 0.1}, "beta 0.1, started with nothing"),
    ):
        with pytest.raises(ConfigError, match=f"holds another study: {message}. Go on with it as it is, or choose"):
            study(request={**REQUEST, **changes})


def test_a_file_that_is_no_study_is_refused(study, tmp_path):
    (tmp_path / "study.db").write_text("no database at all, but long enough to be taken for one" * 40)
    with pytest.raises(ConfigError, match=r"study\.db cannot be used as a study: .*not a database.* another folder"):
        study()


def test_any_folder_will_do(study, tmp_path):
    folder = tmp_path / "50% of a?b#c é"
    folder.mkdir()
    _go_on(study(folder / "study.db"), 1)
    assert (folder / "study.db").is_file()


def test_optuna_is_asked_for(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'optuna is not installed. Type: pip install "hyperdnn\[hpo\]"'):
        study()


def test_optuna_stays_silent_and_as_it_was(study, capsys):
    from optuna import logging

    before = logging.get_verbosity()
    _go_on(study(), 2)
    assert logging.get_verbosity() == before
    assert capsys.readouterr() == ("", "")
