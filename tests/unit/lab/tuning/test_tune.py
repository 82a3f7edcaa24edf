import json
import re
from dataclasses import replace

import pytest
import torch

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._folder import alone
from hyperdnn.lab.config import override
from hyperdnn.lab.train import TrainingError


class KilledError(BaseException):
    """Stands for the end of the process."""


def test_touching_the_test_part_would_be_seen(toy):
    part = toy.task().test
    touches = (
        lambda: part[:],
        lambda: part.shape,
        lambda: len(part),
        lambda: part.to("cpu"),
        lambda: part.stored + 1,
    )
    for touch in touches:
        with pytest.raises(AssertionError, match="the test part was touched"):
            touch()


def test_the_best_is_found_on_validation_data_alone(search, config, tmp_path):
    tuning = search(4)  # its data fail where their test part is touched
    assert tuning.metric == "net/accuracy"
    assert tuning.direction == "maximize"
    values = [trial.value for trial in tuning.trials]
    assert len(values) == 4
    assert tuning.ranked[0].value == max(values)
    assert tuning.best == override(config, {"train.lr": tuning.ranked[0].settings["train.lr"]})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    measured = {line["trial"]: line["metrics"]["accuracy"] for line in lines if "metrics" in line}
    assert [measured[trial.number] for trial in tuning.trials] == values


def test_a_trial_is_an_ordinary_training_on_other_data(toy, search, recipe, config, tmp_path, monkeypatch):
    (trial,) = search(1, metric="loss", space={"train.lr": "0.1,0.2"}).trials
    first = toy.task()
    own = recipe(replace(toy.recipe, data=lambda config: replace(first, test=first.validation)))
    monkeypatch.setattr("hyperdnn.lab._experiment.load", lambda name: own)
    monkeypatch.setattr("hyperdnn.lab._experiment.setting_of", lambda name, config: None)
    changed = override(config, {"train.lr": float(trial.settings["train.lr"])})
    results = lab.run("signs", changed, folder=tmp_path / "run", seeds=[config.seed], variants=["net"])
    assert results["metrics"]["net"]["loss"]["mean"] == trial.value


def test_the_same_search_goes_on_and_another_is_refused(search, config):
    first = search(2)
    more = search(3)
    assert more.trials[:2] == first.trials
    assert search(1) == more
    with pytest.raises(ConfigError, match=r"another study: beta 0\.25, started with 0\.5"):
        search(3, config=replace(config, beta=0.25))
    with pytest.raises(ConfigError, match="another study: metric net/loss, started with net/accuracy"):
        search(3, metric="loss")


def test_a_killed_search_ends_as_if_it_had_been_let_be(toy, search, recipe, tmp_path):
    whole = search(3, folder=tmp_path / "whole")
    steps = []

    def dying(model, batch, state):
        steps.append(state.step)
        if len(steps) == 5:
            raise KilledError
        return toy.step(model, batch, state)

    recipe(replace(toy.recipe, step=dying))
    with pytest.raises(KilledError):
        search(3)
    recipe(toy.recipe)
    resumed = search(3)
    assert [(t.settings, t.value) for t in resumed.trials] == [(t.settings, t.value) for t in whole.trials]
    assert [trial.number for trial in resumed.trials] == [0, 2, 3]


def test_several_seeds_are_averaged(search, tmp_path):
    (trial,) = search(1, metric="net/loss", seeds=[3, 5]).trials
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = {line["seed"]: line["metrics"]["loss"] for line in lines if "metrics" in line}
    assert set(losses) == {3, 5}
    assert trial.value == pytest.approx(sum(losses.values()) / 2)


def test_claims_say_metric_and_direction(search, tmp_path):
    assert search(1, metric="loss").direction == "minimize"
    slow = search(1, folder=tmp_path / "slow", metric="slow/loss", space={"beta": "0.1,0.2"})
    assert (slow.metric, slow.direction) == ("slow/loss", "minimize")


def test_a_claim_with_two_bounds_says_no_direction(toy, search, recipe):
    both = lab.Claim(text="It is even.", config="default", metric="net/loss", at_least=0.1, at_most=0.5)
    recipe(replace(toy.recipe, claims=(both,)))
    with pytest.raises(ConfigError, match="claims nothing about 'loss' that says which values are better"):
        search(1)
    assert search(1, direction="minimize").metric == "net/loss"


def test_a_training_that_diverges_is_a_bad_trial(toy, search, recipe):
    def diverging(model, batch, state):
        losses = toy.step(model, batch, state)
        return {"loss": losses["loss"] * (torch.nan if state.config.beta == 2 else 1)}

    recipe(replace(toy.recipe, step=diverging))
    tuning = search(4, space={"beta": "1,2"})
    assert {trial.settings["beta"]: trial.value is None for trial in tuning.trials} == {"1": False, "2": True}
    assert tuning.best.beta == 1


def test_without_a_trial_there_is_no_best(toy, search, recipe):
    def diverging(model, batch, state):
        raise TrainingError

    recipe(replace(toy.recipe, step=diverging))
    tuning = search(2)
    with pytest.raises(ConfigError, match="none of the 2 trials stayed within the numbers"):
        _ = tuning.best


def test_progress_is_one_line_for_all_trials(search, capsys):
    search(2, progress=True)
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith("tuning accuracy: 2/2, ")
    assert re.search(r"best accuracy [\d.]+ \(trial [01]\)$", line)
    search(3)
    assert capsys.readouterr() == ("", "")


def test_threads_are_given_back(search):
    before = torch.get_num_threads()
    search(1, threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": {"bta": "1..2"}}, "no setting 'bta'. Did you mean 'beta'?"),
        ({"space": {}}, "nothing to search"),
        ({"metric": "acuracy"}, "direction: the recipe claims nothing about 'acuracy'"),
        ({"metric": "fast/accuracy"}, "metric: no variant 'fast'. Known: 'net', 'slow'."),
        ({"metric": "slow/loss"}, "train.lr: the variant 'slow' sets it itself"),
        ({"seeds": []}, "at least one trial and one seed, got 3 and 0"),
        ({"trials": 0}, "at least one trial and one seed, got 0 and 1"),
    ],
)
def test_wrong_requests_are_named_before_anything_is_made(search, tmp_path, options, message):
    folder = tmp_path / "new"
    with pytest.raises(ConfigError, match=re.escape(message)):
        search(**{"folder": folder, **options})
    assert not folder.exists()


def test_a_recipe_without_claims_has_to_be_told(toy, search, recipe):
    recipe(replace(toy.recipe, claims=()))
    with pytest.raises(ConfigError, match=r"metric: .* Name one of its metrics"):
        search(1)
    assert search(1, metric="loss", direction="minimize").metric == "net/loss"


def test_a_metric_that_is_not_measured_is_named_after_the_first_trial(search):
    with pytest.raises(ConfigError, match=r"'net' does not measure 'acuracy'. Did you mean 'accuracy'\?"):
        search(3, metric="acuracy", direction="maximize")


def test_data_without_validation_are_refused(toy, search, recipe):
    recipe(replace(toy.recipe, data=lambda config: [1, 2]))
    with pytest.raises(ConfigError, match="expected data with a test and a validation part"):
        search(1)


def test_several_processes_are_refused(search, config):
    with pytest.raises(ConfigError, match=r"train\.devices: tuning trains in one process"):
        search(1, config=override(config, {"train.devices": 2}))
    for space in ({"train.devices": "1,2"}, {"train.devices": "1..4"}, {"train.strategy": "auto,ddp"}):
        with pytest.raises(ConfigError, match=r"train\.\w+: tuning trains in one process, so there is nothing"):
            search(1, space=space)


def test_one_process_at_a_time(search, tmp_path):
    with alone(tmp_path), pytest.raises(ConfigError, match="another process"):
        search(1)


def test_a_seed_below_zero_is_named(search):
    with pytest.raises(ConfigError, match="seed: expected 0 to 4294967295, got -1"):
        search(1, seeds=[-1])
