"""``hyperdnn run --devices 2``, as it is typed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyperdnn import lab
from hyperdnn.lab._discover import configuration

ROOT = Path(__file__).resolve().parents[2]
RUN = ("run", "continual/task_conditioned", "--setting", "tiny", "--train.device", "cpu", "--variants", "hypernet")


def _start(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "hyperdnn", *RUN, "--quiet", "--out", "runs", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_devices_give_the_results_of_one(tmp_path):
    process = _start(tmp_path, "--train.iterations", "4", "--devices", "2")
    config = lab.config.override(
        configuration("continual/task_conditioned", "tiny"), {"train.iterations": 4, "train.device": "cpu"}
    )
    expected = lab.run("continual/task_conditioned", config, folder=tmp_path, seeds=[0], variants=["hypernet"])
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    (results,) = (tmp_path / "runs").rglob("results.json")  # written once, by the first process
    assert json.loads(results.read_text())["metrics"] == expected["metrics"]
    alone, together = (
        [json.loads(line).get("losses", {}) for line in path.read_text().splitlines()]
        for path in (tmp_path / "metrics.jsonl", results.parent / "metrics.jsonl")
    )
    assert together == [pytest.approx(losses, rel=1e-3) for losses in alone]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the other process by /proc")
def test_a_killed_process_ends_the_other_with_a_message(tmp_path):
    first = _start(tmp_path, "--train.iterations", "1000000", "--devices", "2")
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("metrics.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (second,) = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
        os.kill(int(second), signal.SIGKILL)
        _, said = first.communicate(timeout=30)
    finally:
        first.kill()
    assert first.returncode != 0
    assert "process 0 of 2 lost another one" in said
    assert "Traceback" not in said
