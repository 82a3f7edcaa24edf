"""Runs that are killed and resumed come to what they would have come to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILL = Path(__file__).with_name("kill.py")


def _kill(*arguments, seconds):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "random"}
    done = subprocess.run(
        [sys.executable, KILL, *arguments], capture_output=True, text=True, env=environment, timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_killed_runs_end_as_if_they_had_been_let_be():
    counts = _kill("--kills", "4", "--subjects", "fit,sequence", "--seed", "3", seconds=120)
    assert sum(count["killed"] for count in counts) == 4
    assert sum(count["resumed"] for count in counts) >= 1
    assert all(count["compared"] >= 1 for count in counts)


@pytest.mark.slow
def test_a_hundred_killed_runs_end_as_if_they_had_been_let_be():
    counts = _kill("--kills", "100", seconds=3000)
    assert sum(count["killed"] for count in counts) == 100
    assert min(count["while writing"] for count in counts) >= 1


@pytest.mark.slow
def test_no_interpreter_knows_what_another_one_knew():
    counts = _kill("--kills", "6", "--fresh", seconds=3000)
    assert sum(count["killed"] for count in counts) == 6
    assert sum(count["resumed"] for count in counts) >= 1
