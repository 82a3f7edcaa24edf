import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab._discover import configuration
from hyperdnn.lab.federated import simulate

RECIPE = str(Path(__file__).parents[3] / "reliability" / "clients.py")


def test_what_cannot_be_simulated_is_said_before_anything_starts(config, monkeypatch):
    with pytest.raises(ConfigError, match="rounds needs settings for clients"):
        simulate("continual/task_conditioned", configuration("continual/task_conditioned", "tiny"), pytest.fail)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest))
    with pytest.raises(MissingExtraError, match=r'ray is not installed. Type: pip install "hyperdnn\[fed\]"'):
        simulate(RECIPE, config, pytest.fail)


def _run(folder, *arguments):
    command = [sys.executable, "-m", "hyperdnn", "run", RECIPE, "--quiet", "--out", str(folder), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FLWR_HOME": str(folder / "flower")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "clients").iterdir()
    results = json.loads((run / "results.json").read_text())
    (final,) = run.rglob("final/state.safetensors")
    return final.read_bytes(), (run / "metrics.jsonl").read_text(), results["metrics"], results["arrays"]


@pytest.mark.slow
def test_ten_simulated_clients_come_to_the_bits_of_one_process(tmp_path):
    short = ["--train.iterations", "20"]
    assert _run(tmp_path / "flower", *short, "--engine", "flower") == _run(tmp_path / "local", *short)
