"""Every Python block of the pages runs, in the order in which a reader meets it; every command shown exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hyperdnn.cli import main
from hyperdnn.lab.report import refresh_readme

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

ALONE = {"compile.md", "ship.md"}  # in processes of their own: wrappers that check types at run time cannot be traced


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore::FutureWarning:transformers.*")  # which peft gets for what it asks of it
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path) -> None:
    if page.name in ALONE:
        subprocess.run([sys.executable, "-c", "\n".join(_blocks(page, "python"))], check=True, timeout=300)
        return
    namespace: dict[str, object] = {}
    for block in _blocks(page, "python"):
        exec(compile(block, page.name, "exec"), namespace)


def test_the_readme_shows_code() -> None:
    assert len(_blocks(PAGES[0], "python")) >= 2


COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for page in PAGES
        for block in _blocks(page, "console")
        for line in block.splitlines()
        if re.match(r"\$ (\.venv/bin/)?hyperdnn ", line)
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_exist(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = shlex.split(line)[2]
    assert main([command, "--help"]) == 0
    assert f"hyperdnn {command}" in capsys.readouterr().out


def test_the_readmes_results_are_those_of_the_files(tmp_path: Path) -> None:
    copy = tmp_path / "README.md"
    copy.write_text(PAGES[0].read_text())
    assert refresh_readme(copy, ROOT / "results")
    assert copy.read_text() == PAGES[0].read_text(), "run `hyperdnn reproduce`; the table is not edited by hand"
