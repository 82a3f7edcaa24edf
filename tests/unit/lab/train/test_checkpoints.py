import shutil

import pytest

from hyperdnn.errors import CheckpointError, CheckpointWarning
from hyperdnn.lab.train import Checkpoints


@pytest.fixture
def kept(tmp_path):
    return Checkpoints(tmp_path / "kept")


def _write(kept, step, *, score=1.0, task=0, keep=2):
    kept.write({"step": step, "task": task}, score=float(score), keep=keep)


def _names(kept):
    return sorted(path.name for path in kept.folder.iterdir())


def _damage(kept, name):
    (kept.folder / name / "state.json").write_text("{}")


def test_there_is_nothing_at_first(kept):
    assert kept.latest() is kept.newest() is kept.best() is None
    assert not kept.folder.exists()


def test_the_last_ones_and_the_best_are_kept(kept):
    for step, score in enumerate([0.9, 0.1, 0.5, 0.4, 0.3], start=1):
        _write(kept, step, score=score)
    assert _names(kept) == ["step-000002", "step-000004", "step-000005"]
    assert kept.best().name == "step-000002"
    assert kept.newest().name == "step-000005"
    assert kept.latest().value() == {"step": 5, "task": 0}
    _write(kept, 6, score=0.05)
    assert _names(kept) == ["step-000005", "step-000006"]


def test_tasks_do_not_compare(kept):
    _write(kept, 1, score=0.1, task=0)
    for step in (2, 3, 4):
        _write(kept, step, score=step, task=1)
    assert kept.best().name == "step-000002"
    assert _names(kept) == ["step-000002", "step-000003", "step-000004"]


def test_steps_are_ordered_as_numbers(kept):
    for step in (999_999, 1_000_000, 1_000_001):
        _write(kept, step, keep=1, score=-step)
    assert _names(kept) == ["step-1000001"]


def test_at_the_end_the_final_one_and_the_best_are_kept(kept):
    for step, score in ((1, 0.1), (2, 0.5), (3, 0.4)):
        _write(kept, step, score=score)
    kept.finish({"step": 4, "task": 0})
    assert _names(kept) == ["final", "step-000001"]
    assert kept.newest().name == "final"
    assert kept.latest().value()["step"] == 4


@pytest.mark.parametrize("newest", ["step-000003", "final"])
def test_a_damaged_one_is_passed_over_with_a_warning(kept, newest):
    for step in (1, 2, 3):
        _write(kept, step, score=-step)
    if newest == "final":
        kept.finish({"step": 3, "task": 0})
        before = 3
    else:
        before = 2
    _damage(kept, newest)
    with pytest.warns(CheckpointWarning, match=rf"{newest}.*is damaged.*Going on from step-00000{before}"):
        found = kept.latest()
    assert found.value()["step"] == before


def test_if_all_are_damaged_that_is_an_error(kept):
    for step in (1, 2):
        _write(kept, step)
        _damage(kept, f"step-00000{step}")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used.*damaged.*Delete that folder"):
        kept.latest()


def test_damaged_newer_ones_push_out_no_good_one(kept):
    for step in (1, 2, 3):
        _write(kept, step, keep=3)
    _damage(kept, "step-000003")
    _damage(kept, "step-000002")
    _write(kept, 2, keep=1, score=2.0)
    assert _names(kept) == ["step-000001", "step-000002"]  # the best and the last
    assert kept.latest().value()["step"] == 2


def test_a_damaged_manifest_is_never_the_best(kept):
    _write(kept, 1, score=0.0)
    _write(kept, 2, score=1.0)
    (kept.folder / "step-000001" / "manifest.json").write_text("{}")
    assert kept.best().name == "step-000002"
    _write(kept, 3, score=2.0, keep=1)
    assert _names(kept) == ["step-000002", "step-000003"]


def test_what_a_killed_process_left_behind_is_cleared_away_and_never_read(kept):
    _write(kept, 1)
    for name in (".step-000002.new", ".step-000000.old", ".final.new"):
        shutil.copytree(kept.folder / "step-000001", kept.folder / name)
    assert kept.newest().name == "step-000001"
    _write(kept, 2)
    assert _names(kept) == ["step-000001", "step-000002"]


def test_foreign_folders_are_left_alone(kept):
    _write(kept, 1)
    (kept.folder / "step-by-step").mkdir()
    _write(kept, 2, keep=1, score=0.0)
    assert _names(kept) == ["step-000002", "step-by-step"]


def test_the_time_of_earlier_processes_counts(kept):
    kept.earlier = 100.0
    assert 100.0 < kept.seconds < 110.0
