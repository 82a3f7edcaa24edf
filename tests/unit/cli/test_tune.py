import json

import pytest
import yaml

from hyperdnn import lab
from hyperdnn.cli import main
from hyperdnn.lab._discover import find
from hyperdnn.lab.config import flatten

NAME = "continual/task_conditioned"
LINE = ["tune", NAME, "--setting", "tiny", "--train.iterations", "2", "--quiet", "--trials", "2"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_search_leaves_its_folder_behind_and_goes_on(home, capsys):
    line = [*LINE, "--space", "beta=0.01,0.1", "--space", "train.lr=1e-4..1e-2:log"]
    assert main(line) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (folder,) = (home / "runs" / NAME).iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "study.db",
        "metrics.jsonl",
        "trials.json",
        "best.yaml",
        "report.html",
    }
    assert f"Report  {(folder / 'report.html').relative_to(home)}" in out
    assert f"hyperdnn run {NAME} --config {(folder / 'best.yaml').relative_to(home)}" in out
    assert "hyperdnn tune continual/task_conditioned --setting tiny" in (folder / "report.html").read_text()
    first = json.loads((folder / "trials.json").read_text())
    assert main([*line[:-5], "3", *line[-4:]]) == 0
    assert json.loads((folder / "trials.json").read_text())[:2] == first
    assert [path.name for path in (home / "runs" / NAME).iterdir()] == [folder.name]


def test_the_best_configuration_runs(home):
    assert main([*LINE, "--folder", "found", "--seed", "3", "--out", "elsewhere"]) == 0  # in the recipe's own space
    best = flatten(yaml.safe_load((home / "found" / "best.yaml").read_text()))
    kept = json.loads((home / "found" / "trials.json").read_text())
    assert {(best["beta"], best["train.lr"])} <= {(t["settings"]["beta"], t["settings"]["train.lr"]) for t in kept}
    assert best["train.iterations"] == 2
    assert not (home / "runs").exists()
    run = ["run", NAME, "--config", "found/best.yaml", "--variants", "hypernet", "--quiet"]
    assert main(run) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "betta=1,2"], "no setting 'betta'. Did you mean 'beta'?"),
        (["--space", "beta"], "--space: expected NAME=VALUES, such as train.lr=1e-4..1e-2:log, got 'beta'"),
        (["--space", "beta=1..0"], "bounds the wrong way round"),
        (["--space", "beta=1,2", "--space", "beta=1,2"], "--space: beta is there twice"),
        (["--space", "beta=1,2", "--beta", "3"], "beta is set by --beta and searched by --space"),
        (["--betta", "3"], "no setting '--betta'"),
        (["--metric", "acuracy"], "the recipe claims nothing about 'acuracy'"),
        (["--metric", "hypernett/final_accuracy"], "no variant 'hypernett'. Did you mean 'hypernet'?"),
        (["--direction", "up"], "argument --direction: invalid choice: 'up'"),
        (["--trials", "0"], "argument --trials: expected a whole number from 1, got '0'"),
    ],
)
def test_wrong_usage_is_named_and_nothing_is_trained(home, capsys, arguments, message):
    assert main([*LINE, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_trials_are_asked_for(home, capsys):
    assert main(["tune", NAME]) == 2
    assert "--trials" in capsys.readouterr().err


def test_a_folder_of_another_search_is_refused(home, capsys):
    assert main([*LINE, "--folder", "found"]) == 0
    assert main([*LINE, "--folder", "found", "--beta", "0.25", "--space", "train.lr=1e-4..1e-2"]) == 2
    assert "found holds another study: space" in capsys.readouterr().err


def test_an_unknown_recipe_is_named(home, capsys):
    assert main(["tune", "continual/task_conditionned", "--trials", "1"]) == 2
    assert f"Did you mean '{NAME}'?" in capsys.readouterr().err


def test_show_says_what_is_searched(capsys):
    assert main(["show", NAME]) == 0
    out = capsys.readouterr().out
    assert f"Searched by default (hyperdnn tune {NAME})" in out
    assert "  train.lr=1e-4..1e-2:log" in out
    main(["show", NAME, "--json"])
    assert json.loads(capsys.readouterr().out)["space"] == find(NAME).space


def test_an_interruption_says_how_to_go_on(home, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(vars(lab), "tune", stop)
    assert main([*LINE, "--folder", "found"]) == 130
    typed = "hyperdnn tune continual/task_conditioned --setting tiny --train.iterations 2 --quiet --trials 2"
    assert capsys.readouterr().err == f"hyperdnn: interrupted: to go on, type: {typed} --folder found\n"
