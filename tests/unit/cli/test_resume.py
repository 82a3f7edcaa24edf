import json
import shlex
from dataclasses import dataclass

import pytest

from hyperdnn import lab
from hyperdnn.cli import main
from hyperdnn.cli._resume import Run, difference, stopped
from hyperdnn.cli._usage import UsageError
from hyperdnn.lab.train import Settings


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    train: Settings = Settings()


@pytest.fixture
def killed(toys, calls, monkeypatch, capsys):
    """Makes folders of runs that were stopped after a checkpoint; gives the last one."""

    def make(*arguments, checkpoint=True):
        trained = lab.run

        def run(*positional, folder, **options):
            if checkpoint:
                (folder / "checkpoints" / "seed-0" / "hypernet" / "step-000005").mkdir(parents=True)
            raise KeyboardInterrupt

        monkeypatch.setitem(vars(lab), "run", run)
        assert main(["run", "toys/bear", *arguments]) == 130
        monkeypatch.setitem(vars(lab), "run", trained)
        capsys.readouterr()
        return max((toys / "runs" / "toys" / "bear").iterdir())

    return make


def test_auto_takes_the_newest_run_of_this_kind(killed, toys, calls, capsys):
    killed("--beta", "1")
    wanted = killed("--beta", "2")
    killed("--beta", "3")
    killed("--beta", "2", "--seed", "9")
    killed("--beta", "2", "--variants", "hypernet")
    killed("--beta", "2", checkpoint=False)
    assert main(["run", "toys/bear", "--beta", "2", "--resume", "auto"]) == 0
    (call,) = calls
    assert call["folder"] == wanted.relative_to(toys)
    assert (call["resume"], call["config"].beta) == (True, 2.0)
    assert f"going on with {wanted.relative_to(toys)}" in capsys.readouterr().err
    assert main(["run", "toys/bear", "--beta", "2", "--resume", "auto"]) == 0  # that one is finished now
    assert calls[1]["resume"] is False
    assert "no run of this kind was stopped: a new one" in capsys.readouterr().err


def test_auto_leaves_a_run_alone_that_another_process_trains(killed, calls):
    from hyperdnn.lab._folder import alone

    with alone(killed()):
        assert main(["run", "toys/bear", "--resume", "auto"]) == 0
    assert calls[0]["resume"] is False


def test_a_folder_says_itself_what_it_holds(killed, toys, calls):
    folder = killed("--setting", "tiny", "--beta", "7", "--seed", "4", "--variants", "fine-tuning")
    before = (folder / "env.json").read_text(), (folder / "config.yaml").read_text()
    assert main(["run", "toys/bear", "--resume", str(folder)]) == 0
    (call,) = calls
    assert (call["config"].beta, call["config"].train.iterations) == (7.0, 1)
    assert (call["seeds"], call["variants"], call["folder"], call["resume"]) == ([4], ["fine-tuning"], folder, True)
    assert before == ((folder / "env.json").read_text(), (folder / "config.yaml").read_text())
    assert json.loads((folder / "results.json").read_text())["config"]["beta"] == 7.0
    page = (folder / "report.html").read_text()
    assert "hyperdnn run toys/bear --setting tiny --beta 7 --seed 4" in page
    assert "--resume" not in page


def test_what_is_typed_again_may_be_the_same(killed, calls):
    folder = killed("--beta", "7")
    assert main(["run", "toys/bear", "--beta", "7", "--seed", "0", "--resume", str(folder)]) == 0
    assert calls[0]["resume"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beta", "8"], "holds another run: beta 8.0, started with 7.0"),
        (["--train.lr", "1"], "holds another run: train.lr 1.0, started with 0.001"),
        (["--setting", "tiny"], "holds another run: beta 0.01, started with 7.0"),
        (["--seed", "3"], "holds another run: seed 3, started with 0"),
        (["--variants", "hypernet"], "holds another run: variants hypernet, started with all"),
        (["--betta", "8"], "no setting '--betta'. Did you mean '--beta'?"),
    ],
)
def test_another_run_is_told_apart(killed, calls, capsys, arguments, message):
    folder = killed("--beta", "7")
    assert main(["run", "toys/bear", *arguments, "--resume", str(folder)]) == 2
    assert message in capsys.readouterr().err
    assert calls == []


def test_folders_that_cannot_be_gone_on_with_are_told_apart(killed, toys, calls, capsys):
    def refused(folder):
        assert main(["run", "toys/bear", "--resume", str(folder)]) == 2
        return capsys.readouterr().err

    assert "absent holds no run: its env.json is missing" in refused(toys / "absent")
    assert "was stopped before the first" in refused(killed(checkpoint=False))
    folder = killed()
    (folder / "config.yaml").write_text("bet: 1\n")
    assert "config.yaml: Config has no setting 'bet'" in refused(folder)
    folder = killed()
    (folder / "results.json").write_text("{}")
    assert "holds a run that is finished. See" in refused(folder)
    folder = killed()
    kept = json.loads((folder / "env.json").read_text())
    (folder / "env.json").write_text(json.dumps({**kept, "recipe": "toys/wolf"}))
    assert "holds a run of toys/wolf, not of toys/bear" in refused(folder)
    for text in ("{", "[]", "{}", '{"recipe": "toys/bear", "seeds": 3, "variants": null}'):
        (folder / "env.json").write_text(text)
        assert "its env.json is missing, damaged or of an older version" in refused(folder)
    assert calls == []


def test_an_interruption_says_how_to_go_on(toys, calls, monkeypatch, capsys):
    def stop(*_, folder, **__):
        if keeps:
            (folder / "checkpoints" / "seed-0" / "hypernet" / "step-000005").mkdir(parents=True, exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setitem(vars(lab), "run", stop)
    line = ["run", "toys/bear", "--beta", "1"]
    keeps = False
    assert main(line) == 130
    said = "hyperdnn: interrupted: before the first checkpoint: nothing of this run is kept\n"
    assert capsys.readouterr().err == said
    keeps = True
    for typed in (line, [*line, "--resume", "auto"]):
        assert main(typed) == 130
        said = capsys.readouterr().err
        assert said.endswith("hyperdnn: interrupted: to go on, type: hyperdnn run toys/bear --beta 1 --resume auto\n")


def test_an_interrupted_demo_is_gone_on_with_by_run(toys, calls, monkeypatch, capsys):
    def stop(*_, folder, **__):
        (folder / "checkpoints" / "seed-0" / "hypernet" / "step-000005").mkdir(parents=True)
        raise KeyboardInterrupt

    trained = lab.run
    monkeypatch.setitem(vars(lab), "run", stop)
    monkeypatch.setattr("hyperdnn.cli._runs._DEMO", "toys/bear")
    assert main(["demo", "--out", "my runs", "--quiet"]) == 130
    line = capsys.readouterr().err.partition("to go on, type: ")[2]
    monkeypatch.setitem(vars(lab), "run", trained)
    assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    assert calls[0]["resume"] is True


def test_a_run_goes_on_in_another_number_of_processes():
    def run(**train):
        return Run(config=Config(train=Settings(**train)), seeds=[0], variants=None)

    kept = run(devices=2, strategy="fsdp", lr=0.1)
    assert difference(run(devices=1, lr=0.1), kept) is None
    assert difference(run(devices=2, lr=0.2), kept) == "train.lr 0.2, started with 0.1"


def test_only_the_first_process_looks_for_a_run(killed, calls, capsys, monkeypatch):
    killed("--beta", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["run", "toys/bear", "--beta", "2", "--resume", "auto"]) == 0
    assert calls[0]["resume"] is False  # what the first one says goes
    assert "hyperdnn:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": []},
        {"seeds": ["0"]},
        {"seeds": [True]},
        {"variants": 3},
        {"variants": []},
        {"recipe": None},
        {"line": 3},
    ],
    ids=str,
)
def test_notes_of_a_run_that_are_none(tmp_path, changes):
    notes = {"recipe": "toys/bear", "seeds": [0], "variants": None, "line": "hyperdnn run", **changes}
    (tmp_path / "env.json").write_text(json.dumps(notes))
    with pytest.raises(UsageError, match=r"its env.json is missing, damaged"):
        stopped(tmp_path, "toys/bear")


def test_notes_without_end(tmp_path):
    for content in ("[" * 90_000, " " * 200_000):
        (tmp_path / "env.json").write_text(content)
        with pytest.raises(UsageError, match=r"its env.json is missing, damaged"):
            stopped(tmp_path, "toys/bear")
    (tmp_path / "env.json").unlink()
    (tmp_path / "env.json").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"its env.json is missing, damaged"):
        stopped(tmp_path, "toys/bear")


@pytest.mark.parametrize("tracked", [False, True])
def test_a_run_that_was_tracked_is_tracked_on(killed, calls, tracked):
    folder = killed("--beta", "2")
    if tracked:
        (folder / "tensorboard").mkdir()
    assert main(["run", "toys/bear", "--resume", str(folder)]) == 0
    assert calls[0]["track"] == ("tensorboard" if tracked else None)
