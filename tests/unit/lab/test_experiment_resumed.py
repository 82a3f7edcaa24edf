from dataclasses import replace

import pytest

from hyperdnn import lab
from hyperdnn.errors import CheckpointError, CheckpointWarning, ConfigError
from hyperdnn.lab import _experiment
from hyperdnn.lab._discover import configuration, load
from hyperdnn.lab._folder import alone

NAME = "continual/task_conditioned"


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def config():
    config = configuration(NAME, "tiny")
    return replace(config, train=replace(config.train, iterations=4, checkpoint_every=3, log_every=1))


@pytest.fixture
def steps(monkeypatch):
    """The steps that were taken, as (beta, seed, step); the one put into it before is where the process ends."""
    recipe = load(NAME)
    taken = []

    def step(model, batch, state):
        if taken and taken[0] == ("until", state.config.beta, state.config.seed, state.step):
            raise KilledError
        taken.append((state.config.beta, state.config.seed, state.step))
        return recipe.step(model, batch, state)

    monkeypatch.setattr(_experiment, "load", lambda name: replace(recipe, step=step))
    return taken


def _run(config, folder, **options):
    return lab.run(NAME, config, folder=folder, seeds=[0, 1], variants=["hypernet", "beta 0"], **options)


def _killed(config, folder, steps, *, beta, seed, step):
    steps[:] = [("until", beta, seed, step)]
    with pytest.raises(KilledError):
        _run(config, folder)
    steps.clear()


@pytest.mark.parametrize(("beta", "seed", "step"), [(None, 0, 1), (0.0, 0, 5), (None, 1, 0), (0.0, 1, 7)])
def test_a_killed_run_goes_on_where_it_was(config, steps, tmp_path, beta, seed, step):
    whole = _run(config, tmp_path / "whole")
    beta = config.beta if beta is None else beta
    _killed(config, tmp_path / "killed", steps, beta=beta, seed=seed, step=step)
    resumed = _run(config, tmp_path / "killed", resume=True)
    assert (resumed["metrics"], resumed["arrays"]) == (whole["metrics"], whole["arrays"])
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert texts[0] == texts[1]
    assert steps[0] == (beta, seed, step // 3 * 3)  # what was done is not done again
    finals = [sorted(p.read_bytes() for p in (tmp_path / n).rglob("final/*.safetensors")) for n in ("whole", "killed")]
    assert len(finals[0]) == 4
    assert finals[0] == finals[1]


def test_a_finished_run_has_its_results_again(config, steps, tmp_path):
    whole = _run(config, tmp_path)
    steps.clear()
    again = _run(config, tmp_path, resume=True)
    assert again == whole
    assert steps == []


def test_the_time_of_the_killed_process_counts(config, steps, tmp_path, monkeypatch):
    _killed(config, tmp_path, steps, beta=0.0, seed=0, step=4)
    monkeypatch.setattr(lab.train.Checkpoints, "seconds", property(lambda kept: kept.earlier + 100.0))
    earlier = _run(config, tmp_path, resume=True)["wall_time_s"]
    assert 300.0 < earlier < 320.0  # of four trainings one was finished


def test_the_training_of_the_killed_process_counts(config, steps, tmp_path, monkeypatch):
    _killed(config, tmp_path, steps, beta=0.0, seed=0, step=4)
    read = lab.train.State.__setattr__  # the first checkpoint of what goes on finds 1000 seconds

    def restored(state, name, value):
        read(state, name, value + 1000.0 if name == "training_s" and state.resumed is not None else value)

    monkeypatch.setattr(lab.train.State, "__setattr__", restored)
    training = _run(config, tmp_path, resume=True)["training_seconds"]
    assert sum(value > 1000 for summary in training.values() for value in summary["values"]) == 1


def test_a_folder_holds_one_run(config, tmp_path):
    _run(config, tmp_path)
    with pytest.raises(ConfigError, match=r"holds a run already\. resume=True goes on"):
        _run(config, tmp_path)


def test_a_folder_serves_one_process(config, tmp_path):
    with alone(tmp_path), pytest.raises(ConfigError, match="another process trains this run"):
        _run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_passed_over(config, steps, tmp_path):
    whole = _run(config, tmp_path / "whole")
    _killed(config, tmp_path / "killed", steps, beta=0.0, seed=1, step=7)
    (tmp_path / "killed" / "checkpoints" / "seed-1" / "beta-0" / "step-000006" / "state.safetensors").write_bytes(b"")
    with pytest.warns(CheckpointWarning, match=r"step-000006.*0 bytes instead of \d+\. Going on from step-000003"):
        resumed = _run(config, tmp_path / "killed", resume=True)
    assert resumed["metrics"] == whole["metrics"]
    assert steps[0] == (0.0, 1, 3)


def test_an_end_that_is_none_is_refused(config, steps, tmp_path):
    kept = lab.train.Checkpoints(tmp_path / "checkpoints" / "seed-0" / "hypernet")
    kept.finish({"step": 1, "task": 0, "seconds": 1.0, "training_s": 1.0, "log": 0, "outcome": {"metrics": {}}})
    with pytest.raises(CheckpointError, match="final is not the end of a run"):
        _run(config, tmp_path, resume=True)


def test_if_all_are_damaged_nothing_is_trained(config, steps, tmp_path):
    _killed(config, tmp_path, steps, beta=0.0, seed=1, step=7)
    for path in (tmp_path / "checkpoints" / "seed-1" / "beta-0").rglob("state.json"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint in .*beta-0 can be used.*state\.json is missing"):
        _run(config, tmp_path, resume=True)
    assert steps == []
