"""What is forged and damaged is in ``test_checkpoint.py``."""

import pytest

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._manifest import describe, file_names, processes_of, read_manifest, verify, write_manifest

ABOUT = {"step": 5, "task": 0, "score": 0.5}


def _write(folder, *names):
    for name in names:
        (folder / name).write_text(name)
    write_manifest(folder, {name: describe(folder / name) for name in names}, about=ABOUT)


def test_the_first_ones_files_are_those_of_one_process():
    assert file_names(0) == ("state.json", "state.safetensors")
    assert file_names(3) == ("state-3.json", "state-3.safetensors")


def test_the_number_of_processes_is_that_of_the_files(tmp_path):
    _write(tmp_path, *file_names(0), *file_names(1), *file_names(2))
    manifest = read_manifest(tmp_path)
    assert processes_of(manifest) == 3
    assert {key: manifest[key] for key in ABOUT} == ABOUT


@pytest.mark.parametrize(
    "names",
    [[], file_names(1), file_names(0)[:1], (*file_names(0), *file_names(2)), (*file_names(0), "state-1.json")],
)
def test_files_of_no_number_of_processes_are_refused(tmp_path, names):
    _write(tmp_path, *names)
    with pytest.raises(CheckpointError, match="is not the manifest of a checkpoint"):
        read_manifest(tmp_path)


def test_a_file_is_compared_with_what_is_said_of_it(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("abc")
    said = describe(path)
    verify(path, said)
    path.write_text("abd")
    with pytest.raises(CheckpointError, match="its sha256 sum is another"):
        verify(path, said)
    path.write_text("abcd")
    with pytest.raises(CheckpointError, match="4 bytes instead of 3"):
        verify(path, said)
