import json
import shlex
import shutil

from hyperdnn import lab
from hyperdnn.cli import main
from hyperdnn.errors import LayoutError


def _record(home):
    return json.loads((home / "results" / "toys" / "bear.json").read_text())


def test_every_setting_with_claims_is_measured_over_the_seeds(toys, calls, capsys):
    assert main(["reproduce", "toys/bear"]) == 0
    assert [(c["seeds"], c["config"].beta, c["config"].train.iterations) for c in calls] == [
        ([0, 1, 2], 0.5, 50),
        ([0, 1, 2], 0.01, 1),
    ]
    record = _record(toys)
    assert record["recipe"] == "toys/bear"
    assert [experiment["setting"] for experiment in record["experiments"]] == ["default", "tiny"]
    assert "results/toys/bear.json" in capsys.readouterr().out


def test_a_claim_that_fails_is_a_result_and_no_failure(toys, calls):
    # trained_parameters, which the claim in setting tiny is about, is not measured
    assert main(["reproduce", "toys/bear"]) == 0
    record = _record(toys)
    assert [experiment["reproduced"] for experiment in record["experiments"]] == [True, False]
    assert record["reproduced"] is False


def test_one_setting_keeps_the_results_of_the_others(toys, calls):
    main(["reproduce", "toys/bear", "--setting", "tiny", "--seeds", "1"])
    assert [e["setting"] for e in _record(toys)["experiments"]] == ["tiny"]
    assert _record(toys)["reproduced"] is False  # not all is measured yet
    main(["reproduce", "toys/bear", "--setting", "default", "--seeds", "2"])
    main(["reproduce", "toys/bear", "--setting", "tiny", "--seeds", "2"])
    experiments = _record(toys)["experiments"]
    assert [(e["setting"], e["seeds"]) for e in experiments] == [("default", [0, 1]), ("tiny", [0, 1])]


def test_a_setting_without_claims_is_wrong_usage(toys, calls, capsys):
    assert main(["reproduce", "toys/bear", "--setting", "tinny"]) == 2
    assert "claims nothing in setting 'tinny'. Did you mean 'tiny'?" in capsys.readouterr().err
    assert calls == []


def test_all_goes_on_after_a_recipe_that_fails(toys, calls, capsys, monkeypatch):
    recipes = toys.parent / "recipes" / "toys"
    shutil.copy(recipes / "bear.py", recipes / "ape.py")
    run = lab.run

    def failing(name, config, **options):
        if name == "toys/ape":
            raise LayoutError("broken")
        return run(name, config, **options)

    monkeypatch.setitem(vars(lab), "run", failing)
    assert main(["reproduce", "--all", "--setting", "default"]) == 1
    assert capsys.readouterr().err == "hyperdnn: toys/ape: broken\n"
    assert _record(toys)["experiments"][0]["setting"] == "default"


def test_claims_are_measured_in_one_process(calls, capsys, tmp_path, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert main(["reproduce", "continual/task_conditioned", "--out", str(tmp_path)]) == 2
    assert "claims are measured in one process" in capsys.readouterr().err
    assert calls == []


def test_an_interruption_says_what_is_kept(toys, calls, capsys, monkeypatch):
    def stop(*_, folder, **__):
        if keeps:
            (folder / "checkpoints" / "seed-0" / "hypernet" / "step-000005").mkdir(parents=True)
        raise KeyboardInterrupt

    trained = lab.run
    monkeypatch.setitem(vars(lab), "run", stop)
    keeps = False
    assert main(["reproduce", "toys/bear", "--quiet"]) == 130
    kept = "results/toys/bear.json is as it was; before the first checkpoint: nothing of this run is kept\n"
    assert capsys.readouterr().err == f"hyperdnn: interrupted: {kept}"
    keeps = True
    assert main(["reproduce", "toys/bear", "--quiet"]) == 130
    line = capsys.readouterr().err.partition("results/toys/bear.json is as it was; to go on, type: ")[2]
    monkeypatch.setitem(vars(lab), "run", trained)
    assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    assert (calls[0]["resume"], calls[0]["seeds"]) == (True, [0, 1, 2])


def test_a_claim_about_several_settings_is_measured_in_each(toys, calls, capsys):
    bear = toys.parent / "recipes" / "toys" / "bear.py"
    several = 'config=("default", "tiny"), hold=1, metric="hypernet/final_accuracy"'
    text = bear.read_text().replace('config="tiny", metric="hypernet/trained_parameters"', several)
    bear.write_text(text)
    assert main(["show", "toys/bear"]) == 0
    assert "hypernet/final_accuracy at most 10 in 1 of the settings default, tiny" in capsys.readouterr().out
    assert main(["reproduce", "toys/bear"]) == 0
    assert [len(experiment["claims"]) for experiment in _record(toys)["experiments"]] == [2, 1]
    assert _record(toys)["reproduced"] is True
