import errno
import fcntl
import os
import subprocess
import sys

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab._folder import alone, file_name


@pytest.mark.parametrize(
    ("variants", "names"),
    [
        (["hypernet", "beta 0"], ["hypernet", "beta-0"]),
        (["a b", "a/b", "c"], ["a-b-0", "a-b-1", "c"]),
        (["größe 1.5"], ["größe-1.5"]),
    ],
)
def test_variants_have_names_that_file_systems_take(variants, names):
    assert [file_name(variant, variants) for variant in variants] == names


def test_one_at_a_time_is_at_work_in_a_folder(tmp_path):
    with alone(tmp_path):
        with pytest.raises(ConfigError, match="another process trains this run"), alone(tmp_path):
            pass
        with alone(tmp_path.parent):
            pass
    with alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    script = (
        f"import pathlib, os, time\nfrom hyperdnn.lab._folder import alone\n"
        f"with alone(pathlib.Path({str(tmp_path)!r})):\n    print('in', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=os.environ)
    with process:
        process.stdout.readline()
        with pytest.raises(ConfigError, match="another process"), alone(tmp_path):
            pass
        process.kill()
    with alone(tmp_path):
        pass


def test_a_file_system_without_locks_is_used_all_the_same(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EBADF, "no lock on a folder")

    monkeypatch.setattr(fcntl, "flock", flock)
    with alone(tmp_path):
        pass


def test_an_error_inside_is_its_own(tmp_path):
    with pytest.raises(BlockingIOError), alone(tmp_path):
        raise BlockingIOError
