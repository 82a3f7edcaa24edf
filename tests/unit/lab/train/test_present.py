import signal
import subprocess
import sys

import pytest

from hyperdnn.lab.train import _present
from hyperdnn.lab.train._present import Present

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks on files that others can ask about")


@pytest.fixture
def pair(tmp_path, monkeypatch):
    monkeypatch.setattr(_present, "_SECONDS", 0.1)
    both = [Present(tmp_path, process, 2) for process in range(2)]
    for one in both:
        one.enter()
    yield both
    for one in both:
        one.leave("")


def test_nobody_is_missing_while_all_are_there(pair):
    assert pair[0].missing() == pair[1].missing() == {}


def test_who_left_is_missing_with_the_reason(pair):
    pair[1].leave("it was enough")
    assert pair[0].missing() == {1: "it was enough"}
    pair[1].leave("said once")
    assert pair[0].missing() == {1: "it was enough"}


def test_who_left_because_of_another_is_not(pair):
    pair[1].leave("lost another one")
    assert pair[0].missing() == {}


def test_who_never_came_is_not(tmp_path, pair):
    (tmp_path / ".processes" / "1").unlink()
    assert pair[0].missing() == {}


def test_what_an_earlier_run_left_is_forgotten(tmp_path, pair):
    pair[1].leave("long ago")
    pair[1].enter()
    assert pair[0].missing() == {}
    pair[1].leave("")
    assert pair[0].missing() == {1: ""}


def test_a_killed_process_is_missing_at_once(tmp_path, pair):
    pair[1].leave("")
    program = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('there', flush=True); time.sleep(60)"
    )
    path = tmp_path / ".processes" / "1"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"there\n"
        assert pair[0].missing() == {}
        process.send_signal(signal.SIGKILL)  # and it is not waited for: nobody need know who its parent is
        assert pair[0].missing() == {1: ""}


def test_nothing_is_left_behind(tmp_path, pair):
    for one in pair:
        one.leave("finished")
    pair[0].clear()
    assert list(tmp_path.iterdir()) == []
