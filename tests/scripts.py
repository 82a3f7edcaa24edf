"""Runs a script of checks in a process of its own: what is compiled stays out of the tests' process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def complaints(script: Path, *arguments: str, timeout: int) -> dict[str, Any]:
    """What the script prints in its last line: check -> what it found wrong, or None.

    Args:
        script: prints a JSON object at its end.
        arguments: passed to it.
        timeout: seconds.
    """
    command = [sys.executable, str(script), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found
