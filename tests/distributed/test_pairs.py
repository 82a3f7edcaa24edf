"""The files ``checks_*.py``, each in one pair of processes."""

from pathlib import Path

import pytest

from .pair import run_checks

FILES = sorted(Path(__file__).parent.glob("checks_*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_two_processes(file, tmp_path):
    # One test for each file: starting processes costs more than all that they check.
    failed = {name: said for name, said in run_checks(file, tmp_path).items() if said}
    assert not failed, "\n\n".join(f"{name}\n{said}" for name, said in failed.items())
