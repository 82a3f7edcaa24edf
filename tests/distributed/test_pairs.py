"""The files ``checks_*.py``, each in one pair of processes."""

from pathlib import Path

import pytest

from .pair import names_of, run_checks

FILES = sorted(Path(__file__).parent.glob("checks_*.py"))
_found: dict[Path, dict[str, str]] = {}


@pytest.mark.parametrize(("file", "name"), [(file, name) for file in FILES for name in names_of(file)], ids=str)
def test_two_processes(file, name, tmp_path_factory):
    if file not in _found:  # the first check of a file pays for all
        _found[file] = run_checks(file, tmp_path_factory.mktemp(file.stem))
    assert _found[file][name] == "", _found[file][name]
