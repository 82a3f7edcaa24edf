"""One compiled model for every use; an exported program is the model, with generation inside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("recompiled.py")


def _complaints(which):
    run = subprocess.run([sys.executable, SCRIPT, which], capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    return len(found), {name: words for name, words in found.items() if words is not None}


def test_one_compiled_model_for_every_use():
    assert _complaints("fast") == (9, {})


@pytest.mark.slow
def test_with_every_head_and_target():
    assert _complaints("slow") == (63, {})
