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
SECONDS = 300  # on a machine that has much else to do, seconds become minutes
RUN = ("run", "continual/task_conditioned", "--setting", "tiny", "--train.device", "cpu", "--variants", "hypernet")


def _start(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "hyperdnn", *RUN, "--quiet", "--out", "runs", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_devices_give_the_results_of_one(tmp_path):
    process = _start(tmp_path, "--train.iterations", "4", "--devices", "2")
    config = lab.config.override(
        configuration("continual/task_conditioned", "tiny"), {"train.iterations": 4, "train.device": "cpu"}
    )
    expected = lab.run("continual/task_conditioned", config, folder=tmp_path, seeds=[0], variants=["hypernet"])
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    (results,) = (tmp_path / "runs").rglob("results.json")  # written once, by the first process
    assert json.loads(results.read_text())["metrics"] == expected["metrics"]
    alone, together = (
        [json.loads(line).get("losses", {}) for line in path.read_text().splitlines()]
        for path in (tmp_path / "metrics.jsonl", results.parent / "metrics.jsonl")
    )
    assert together == [pytest.approx(losses, rel=1e-3) for losses in alone]


def _second(first):
    (process,) = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    return int(process)


def _wait(first, folder, pattern):
    deadline = time.monotonic() + SECONDS
    while not list(folder.rglob(pattern)):
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _came_of(folder):
    """Everything that a run leaves behind and that time does not change."""
    (results,) = folder.rglob("results.json")
    run, found = results.parent, json.loads(results.read_text())
    files = [run / "metrics.jsonl", *sorted(run.rglob("final/*.safetensors"))]
    return {
        **{key: found[key] for key in ("metrics", "arrays")},
        **{str(path.relative_to(run)): path.read_bytes() for path in files},
    }


LONG = ("--train.iterations", "12", "--train.checkpoint_every", "5", "--devices", "2", "--lookahead", "false")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the other process by /proc")
@pytest.mark.parametrize("killed", [0, 1])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_killed_process_is_named_and_the_run_goes_on(tmp_path, strategy, killed):
    options = (*LONG, "--strategy", strategy)
    for folder in ("killed", "whole"):
        (tmp_path / folder).mkdir()
    first = _start(tmp_path / "killed", *options)
    try:
        _wait(first, tmp_path / "killed", "step-*/manifest.json")
        os.kill([first.pid, _second(first)][killed], signal.SIGKILL)
        _, said = first.communicate(timeout=SECONDS)  # both have closed their ends: none outlives the other
    finally:
        first.kill()
    assert first.returncode == (1 if killed else -signal.SIGKILL), said
    assert f"hyperdnn: process {1 - killed} of 2 lost process {killed}, which was killed" in said
    assert "Traceback" not in said
    for folder, resume in (("killed", ("--resume", "auto")), ("whole", ())):
        process = _start(tmp_path / folder, *options, *resume)
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, said
        assert len(list((tmp_path / folder).rglob("env.json"))) == 1  # the run that was killed, and no new one
    found, expected = _came_of(tmp_path / "killed"), _came_of(tmp_path / "whole")
    assert [name for name in {**found, **expected} if found.get(name) != expected.get(name)] == []


@pytest.mark.slow
def test_an_interruption_says_how_to_go_on(tmp_path):
    process = _start(tmp_path, "--train.checkpoint_every", "5", "--train.iterations", "1000000", "--devices", "2")
    try:
        _wait(process, tmp_path, "step-*/manifest.json")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert said.count("interrupted") == 1
    assert "hyperdnn: interrupted: to go on, type: hyperdnn run continual/task_conditioned" in said
    assert said.rstrip().endswith("--devices 2 --resume auto")
