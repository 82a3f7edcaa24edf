import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from hyperdnn import lab
from hyperdnn.lab.config import override, read_yaml
from hyperdnn.lab.tuning import Choice, Range, Trial, Tuning, figures, table, write_tuning

VALUES = [0.5, None, 0.9, 0.7]


@pytest.fixture
def tuning(config):
    settings = [{"train.lr": 10.0**-k, "activation": "tanh" if k % 2 else "relu", "width": 4 + k} for k in range(1, 5)]
    return Tuning(
        recipe="signs",
        config=config,
        metric="net/final_accuracy",
        direction="maximize",
        seeds=[0, 1],
        space={
            "train.lr": Range(low=1e-4, high=1.0, log=True),
            "activation": Choice(texts=("relu", "tanh")),
            "width": Range(low=1, high=9, log=False),
        },
        trials=[
            Trial(number=n, settings=one, value=value, seconds=30.0)
            for n, (one, value) in enumerate(zip(settings, VALUES, strict=True))
        ],
        importance={"train.lr": 0.75, "activation": 0.25, "width": 0.0},
    )


def _lost(tuning):
    return replace(tuning, trials=[replace(trial, value=None) for trial in tuning.trials], importance={})


def words(figure):
    return {
        (element.text or "").strip()
        for element in ET.fromstring(figure.image).iter()
        if element.tag.endswith(("}text", "}tspan"))
    }


def test_the_table_has_the_best_first(tuning):
    lines = table(tuning, width=100).splitlines()
    assert lines[-4].split() == ["2", "90.00", "0.001", "tanh", "7"]
    assert [line.split()[0] for line in lines[-4:-1]] == ["2", "3", "0"]
    assert lines[-1] == "1 left the numbers"


def test_the_table_has_ten_trials(tuning):
    many = replace(tuning, trials=[replace(tuning.trials[0], number=n) for n in range(14)])
    lines = table(many, width=100).splitlines()
    assert lines[-1] == "4 more"
    assert lines[-2].split()[0] == "9"


def test_the_best_configuration_is_what_run_reads(tuning, config, tmp_path):
    write_tuning(tuning, tmp_path, made_by="hyperdnn tune signs")
    best = read_yaml(type(config), tmp_path / "best.yaml")
    assert best == tuning.best == override(config, {"train.lr": 1e-3, "activation": "tanh", "width": 7})
    kept = json.loads((tmp_path / "trials.json").read_text())
    assert [trial["value"] for trial in kept] == VALUES
    assert kept[3]["settings"] == {"train.lr": 1e-4, "activation": "relu", "width": 8}


def test_the_page_says_everything(tuning, tmp_path):
    text = write_tuning(tuning, tmp_path, made_by="hyperdnn tune signs --trials 4").read_text()
    for said in (
        "tuning of net",
        "4 trials in 2 min, judged by final accuracy on validation data",
        "accuracy at the end (%)",
        "90.00",
        "hyperdnn tune signs --trials 4",
        "What train.lr did",
        "What mattered",
        "<dt>train.lr</dt><dd>0.001</dd>",
        "<dt>seeds</dt><dd>0, 1</dd>",
    ):
        assert said in text
    assert "://" not in text.replace("http://www.w3.org/", "")


def test_a_search_in_which_all_is_lost_has_a_page_and_no_best(tuning, tmp_path):
    page = write_tuning(_lost(tuning), tmp_path, made_by="hyperdnn tune signs")
    assert page.is_file()
    assert not (tmp_path / "best.yaml").exists()
    assert figures(_lost(tuning)) == []
    assert table(_lost(tuning), width=80).endswith("4 left the numbers")


def test_there_is_a_figure_for_the_search_each_setting_and_what_mattered(tuning):
    history, rate, activation, width, mattered = figures(tuning)
    assert {"best so far", "trial", "accuracy at the end (%)"} <= words(history)
    assert {"train.lr", "0.001", "0.1"} <= words(rate)  # a logarithmic axis, in plain numbers
    assert not any("mathdefault" in word for word in words(rate))
    assert {"activation", "relu", "tanh"} <= words(activation)
    assert rate.caption.endswith("at 0.001.")
    assert width.caption.endswith("at 7.")
    assert {"train.lr", "activation", "width", "importance (%)"} <= words(mattered)
    assert len(figures(replace(tuning, importance={}))) == 4


def test_less_is_better_where_it_is(tuning, monkeypatch):
    seen = {}

    def watched(lines, **options):
        seen.update(lines)
        return lab.report.curves(lines, **options)

    monkeypatch.setattr("hyperdnn.lab.tuning._figures.curves", watched)
    figures(replace(tuning, direction="minimize", metric="net/loss"))
    assert seen == {"best so far": [0.5, 0.5, 0.5, 0.5], "trial": [0.5, None, 0.9, 0.7]}
    first_lost = [replace(trial, value=None if trial.number < 2 else trial.value) for trial in tuning.trials]
    figures(replace(tuning, trials=first_lost))
    assert seen["best so far"] == pytest.approx([None, None, 90.0, 90.0])


def test_what_searched_is_public():
    assert lab.tune is lab.tuning.tune
