import json
import os
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train import _checkpoint, _manifest
from hyperdnn.lab.train._checkpoint import read_checkpoint, remove, write_checkpoint
from hyperdnn.lab.train._manifest import describe, read_manifest

VALUE = {"weights": torch.arange(6.0).reshape(2, 3), "step": 5, "text": "ünïcode"}
ABOUT = {"step": 5, "task": 0, "score": 0.5}
FILES = ("manifest.json", "state.json", "state.safetensors")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "step-000005"
    write_checkpoint(folder, VALUE, about=ABOUT)
    return folder


@pytest.fixture
def copy(written, tmp_path):
    return shutil.copytree(written, tmp_path / written.name)


def test_a_checkpoint_comes_back(written):
    value = read_checkpoint(written).value()
    assert value["weights"].equal(VALUE["weights"])
    assert (value["step"], value["text"]) == (5, "ünïcode")
    manifest = read_manifest(written)
    assert {key: manifest[key] for key in ABOUT} == ABOUT
    assert manifest["versions"]["torch"] == torch.__version__
    assert sorted(path.name for path in written.parent.iterdir()) == [written.name]
    assert sorted(path.name for path in written.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_any_byte_is_refused(copy, name):
    whole = (copy / name).read_bytes()
    for length in {*range(0, len(whole), 7), len(whole) - 1}:
        (copy / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"is damaged|no manifest"):
            read_checkpoint(copy)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_is_refused(copy, written, name, data):
    content = bytearray((written / name).read_bytes())
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    content[place // 8] ^= 1 << place % 8
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is damaged|is not the manifest|another version"):
        read_checkpoint(copy)


@pytest.mark.parametrize("name", FILES)
def test_bytes_behind_the_end_are_refused(copy, name):
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name} is missing"):
        read_checkpoint(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_device_without_end_is_not_read(copy, name):
    (copy / name).unlink()
    (copy / name).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="is missing"):
        read_checkpoint(copy)


def _forge(folder, **changes):
    """A manifest with a right sum of itself, as a stranger can make one."""
    body = read_manifest(folder)
    (folder / "manifest.json").write_text(_manifest._text({**body, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "expected format 1, got 2: another version"),
        ({"step": "5"}, "is not the manifest"),
        ({"score": "low"}, "is not the manifest"),
        ({"files": {"../state.json": {"size": 1, "sha256": ""}}}, "is not the manifest"),
        ({"files": {"state.json": 1, "state.safetensors": 2}}, "is not the manifest"),
        ({"files": {n: {"size": 10**15, "sha256": ""} for n in FILES[1:]}}, "bytes instead of 1000000000000000"),
    ],
)
def test_a_forged_manifest_is_refused(copy, changes, message):
    _forge(copy, **changes)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(copy)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"class": "Popen", "fields": {"args": "ls"}}',
        "[1, 2",
        "7",
        '{"tensor": []}',
        '{"parts": ["x"], "shape": [1], "dim": 0}',
    ],
)
def test_a_forged_state_with_right_sums_makes_no_object(copy, text):
    (copy / "state.json").write_text(text)
    files = {name: describe(copy / name) for name in FILES[1:]}
    _forge(copy, files=files)
    with pytest.raises(CheckpointError, match="is not a checkpoint of hyperdnn"):
        read_checkpoint(copy).value()


def test_a_pickle_in_disguise_is_not_read(copy):
    class Evil:
        def __reduce__(self):
            return os._exit, (1,)

    torch.save(Evil(), copy / "state.safetensors")
    _forge(copy, files={name: describe(copy / name) for name in FILES[1:]})
    with pytest.raises(CheckpointError, match="is not a checkpoint of hyperdnn"):
        read_checkpoint(copy)


def test_a_manifest_of_any_length_is_not_read(copy):
    (copy / "manifest.json").write_text(" " * 2_000_000)
    with pytest.raises(CheckpointError, match=r"more than 1,000,000 bytes"):
        read_checkpoint(copy)


@pytest.mark.parametrize("call", ["save_file", "_sync", "describe"])
def test_a_failed_write_leaves_the_earlier_one(copy, monkeypatch, call):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_checkpoint, call, full)
    with pytest.raises(CheckpointError, match=r"cannot be written.*No space left"):
        write_checkpoint(copy, {"step": 6}, about=ABOUT)
    monkeypatch.undo()
    assert read_checkpoint(copy).value()["step"] == 5
    assert sorted(path.name for path in copy.parent.iterdir()) == [copy.name]


def test_a_tensor_that_no_file_holds_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_checkpoint(tmp_path / "new", {"a": torch.ones(2, dtype=torch.complex128)}, about=ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_replaced_and_removed(copy):
    write_checkpoint(copy, {"step": 6}, about=ABOUT)
    assert read_checkpoint(copy).value() == {"step": 6}
    remove(copy)
    remove(copy)
    assert list(copy.parent.iterdir()) == []


def test_values_are_text_that_people_can_read(written):
    assert json.loads((written / "state.json").read_text())["dict"][1] == ["step", 5]
