"""Compiled as one graph, a model is the eager one: values, gradients, running statistics."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .compiled import MODELS, SLOW

SCRIPT = Path(__file__).with_name("compiled.py")


def _complaints(backend):
    run = subprocess.run([sys.executable, SCRIPT, backend], capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def eager():
    return _complaints("eager")


@pytest.fixture(scope="module")
def inductor():
    return _complaints("inductor")


@pytest.mark.parametrize("name", MODELS)
def test_compiled_is_eager(name, eager):
    assert eager[name] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_generated_code_is_eager(name, inductor):
    assert inductor[name] is None
