import json
from pathlib import Path

import pytest
import yaml

from hyperdnn.cli import _runs, main


def test_a_run_leaves_its_folder_behind(toys, calls, capsys):
    assert main(["run", "toys/bear", "--beta", "0.25"]) == 0
    (folder,) = (toys / "runs" / "toys" / "bear").iterdir()
    assert folder.name.endswith("-0")
    assert yaml.safe_load((folder / "config.yaml").read_text())["beta"] == 0.25
    assert json.loads((folder / "env.json").read_text())["seeds"] == [0]
    assert json.loads((folder / "results.json").read_text())["config"]["beta"] == 0.25
    assert "hyperdnn run toys/bear --beta 0.25" in (folder / "report.html").read_text()
    printed = capsys.readouterr().out
    assert "fine-tuning" in printed
    assert f"Report  {(folder / 'report.html').relative_to(toys)}" in printed


def test_settings_come_from_the_default_the_named_one_or_a_file(toys, calls):
    (toys / "mine.yaml").write_text("beta: 7\n")
    main(["run", "toys/bear"])
    main(["run", "toys/bear", "--setting", "tiny"])
    main(["run", "toys/bear", "--config", "mine.yaml", "--train.iterations", "3"])
    configs = [call["config"] for call in calls]
    assert [(c.beta, c.train.iterations) for c in configs] == [(0.5, 50), (0.01, 1), (7.0, 3)]


def test_options_reach_the_run(toys, calls):
    assert main(["run", "toys/bear", "--seed", "5", "--variants", "fine-tuning", "--quiet", "--out", "there"]) == 0
    (call,) = calls
    assert (call["seeds"], call["variants"], call["progress"]) == ([5], ["fine-tuning"], False)
    assert call["folder"].parts[:3] == ("there", "toys", "bear")
    assert call["folder"].name.endswith("-5")


def test_a_variant_may_have_a_comma_in_its_name():
    assert _runs._words("hypernet,hypernet, EPO,separate") == ["hypernet", "hypernet, EPO", "separate"]


def test_all_variants_run_with_progress_unless_told_otherwise(toys, calls):
    main(["run", "toys/bear"])
    assert (calls[0]["variants"], calls[0]["progress"]) == (None, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--betta", "1"], "no setting '--betta'. Did you mean '--beta'?"),
        (["--beta", "much"], "beta: expected number, got 'much'."),
        (["--setting", "tinny"], "no setting 'tinny'. Did you mean 'tiny'?"),
        (["--config", "absent.yaml"], "absent.yaml: no such file."),
        (["--config", "wrong.yaml"], "wrong.yaml: Config has no setting 'bet'. Did you mean 'beta'?"),
        (["--seed", "one"], "argument --seed: invalid int value: 'one'"),
    ],
)
def test_wrong_settings_are_named_and_nothing_is_run(toys, calls, capsys, arguments, message):
    (toys / "wrong.yaml").write_text("bet: 1\n")
    assert main(["run", "toys/bear", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert calls == []
    assert not (toys / "runs").exists()


def test_an_own_recipe_runs_from_its_file(toys, calls):
    main(["copy", "toys/bear", "mine.py"])
    assert main(["run", "./mine.py", "--setting", "tiny"]) == 0
    (call,) = calls
    assert call["config"].train.iterations == 1
    assert call["folder"].parts[:2] == ("runs", "mine")


def test_demo_runs_its_recipe_as_it_is(toys, calls, monkeypatch):
    (toys.parent / "recipes" / "continual").mkdir()
    (toys.parent / "recipes" / "toys" / "bear.py").rename(toys.parent / "recipes" / f"{_runs._DEMO}.py")
    assert main(["demo", "--quiet"]) == 0
    assert (calls[0]["name"], calls[0]["seeds"], calls[0]["variants"]) == (_runs._DEMO, [0], None)


def test_two_runs_in_one_second_have_two_folders(tmp_path):
    folders = {_runs.new_folder(tmp_path, "toys/bear", 0) for _ in range(3)}
    assert len(folders) == 3


def test_devices_and_strategy_are_settings_of_the_loop(calls, tmp_path):
    line = ["run", "continual/task_conditioned", "--setting", "tiny", "--out", str(tmp_path)]
    assert main([*line, "--devices", "1"]) == 0
    assert calls[0]["config"].train.devices == 1
    assert main([*line, "--devices", "0"]) == 2
    assert main([*line, "--strategy", "fsdp"]) == 1  # of one device
    assert main([*line, "--strategy", "zero"]) == 2


def test_a_recipe_with_another_loop_has_no_devices(toys, calls, capsys):
    assert main(["run", "toys/bear", "--devices", "2"]) == 2
    assert "train.devices" in capsys.readouterr().err
    assert calls == []


def test_the_engine_says_where_clients_are(calls, tmp_path, monkeypatch, capsys):
    recipe, connect = str(Path(__file__).parents[2] / "reliability" / "clients.py"), object()
    monkeypatch.setattr("hyperdnn.lab.federated.simulate", lambda name, config, main: main((name, config, connect)))
    assert main(["run", recipe, "--out", str(tmp_path), "--engine", "flower", "--clients", "4", "--quiet"]) == 0
    name, config, same = calls[0]["clients"]
    assert (name, config.clients) == (recipe, 4)
    assert same is connect
    assert main(["run", recipe, "--out", str(tmp_path), "--engine", "local", "--quiet"]) == 0
    assert calls[1]["clients"] is None
    assert main(["run", recipe, "--engine", "ray"]) == 2
    assert "invalid choice: 'ray'" in capsys.readouterr().err
    assert main(["run", recipe, "--out", str(tmp_path), "--engine", "flower", "--devices", "2"]) == 2
    assert "--engine flower: several devices do not share a federated run" in capsys.readouterr().err


def test_a_recipe_without_clients_has_no_engine(tmp_path, capsys):
    arguments = ["run", "continual/task_conditioned", "--setting", "tiny", "--out", str(tmp_path), "--engine", "flower"]
    assert main(arguments) == 2
    assert "rounds needs settings for clients" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())  # no folder of a run that never was


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "seed: expected 0 to 4294967295, got -1"),
        (["--seed", str(2**32)], "seed: expected 0 to"),
        (["--variants", "fine-tunning"], "no variant 'fine-tunning'. Did you mean 'fine-tuning'?"),
        (["--variants", "hypernet,"], "no variant ''"),
        (["--out", "file"], "Not a directory"),
        (["--out", "x" * 300], "File name too long"),
        (["--devices", "9" * 50], "expected a whole number from 1 of 18 digits at most, got '999"),
    ],
)
def test_what_the_run_would_stumble_over_is_answered_before(toys, calls, capsys, arguments, message):
    (toys / "file").touch()
    assert main(["run", "toys/bear", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert calls == []
