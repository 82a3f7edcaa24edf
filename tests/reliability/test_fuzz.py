"""Bad input is refused, by the thousand; a few dozen command lines as somebody types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _fuzz(*arguments, seconds):
    run = subprocess.run(
        [sys.executable, FUZZ, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=seconds
    )
    assert run.returncode == 0, run.stderr[-5000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_bad_input_is_refused():
    counts = _fuzz("--inputs", "1000", seconds=300)
    assert len(counts) == 7
    assert sum(count["refused"] for count in counts) >= 950  # of few ways to break, no more are tried than there are


@pytest.mark.slow
def test_other_bad_input_is_refused_too():
    counts = _fuzz("--inputs", "10000", "--seed", "1", seconds=3000)
    assert sum(count["refused"] for count in counts) >= 9500


LINES = [
    ["lisst"],
    ["--verbose"],
    ["run"],
    ["run", "continual/task_conditionned"],
    ["run", "absent.py"],
    ["run", "broken.py"],
    ["run", "binary.py"],
    ["run", "x" * 5000],
    ["run", "continual/task_conditioned", "--seed", "one"],
    ["run", "continual/task_conditioned", "--devices", "0"],
    ["run", "continual/task_conditioned", "--strategy", "zero"],
    ["run", "continual/task_conditioned", "--resume", "absent"],
    ["run", "continual/task_conditioned", "--config", "broken.yaml", "--setting", "tiny"],
    ["run", "continual/task_conditioned", "--config", "bomb.yaml"],
    ["show"],
    ["show", "broken.py"],
    ["show", "evil.py"],
    ["show", b"a\xff\xfe"],
    ["show", "ünïcode\u202e\u0000"[:-1]],
    ["copy", "continual/task_conditioned", "/dev/null/x"],
    ["copy", "nothing"],
    ["reproduce"],
    ["reproduce", "--all", "continual/task_conditioned"],
    ["reproduce", "continual/task_conditioned", "--setting", "tinny"],
    ["plan", "--hidden", "-1"],
    ["plan", "x:y", "--contexts", "many"],
    ["doctor", "--jsn"],
    ["list", "--json=3"],
]


def test_wrong_command_lines_exit_with_2_and_one_message(tmp_path):
    (tmp_path / "broken.py").write_text("RECIPE = lab.Recipe(")
    (tmp_path / "binary.py").write_bytes(b"\xff\x00")
    (tmp_path / "evil.py").write_text("open('canary', 'w')\nRECIPE = lab.Recipe(summary=open('canary', 'w'))")
    (tmp_path / "bomb.yaml").write_text("a: &a [x]\nb: [*a, *a]\n")
    for line in LINES:
        run = subprocess.run(
            [sys.executable, "-m", "hyperdnn", *line], capture_output=True, cwd=tmp_path, env=ENVIRONMENT, timeout=120
        )
        assert run.returncode == 2, (line, run.stderr)
        assert run.stderr.strip(), line
        assert b"Traceback" not in run.stderr, (line, run.stderr)
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "runs").exists()
