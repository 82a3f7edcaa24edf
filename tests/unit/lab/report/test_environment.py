import subprocess
from pathlib import Path

import pytest
import torch

import hyperdnn
from hyperdnn.lab.report import environment


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    answer = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def checkout(root: Path, package: str) -> Path:
    """A repository with one commit whose file stands for the package's __init__.py."""
    file = root / package / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text("")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return file


def test_names_versions_threads_and_device() -> None:
    found = environment(device="cuda:0")
    assert found["versions"]["torch"] == torch.__version__
    assert found["versions"]["hyperdnn"] == hyperdnn.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["device"] == "cuda:0"


def test_commit_of_a_checkout_and_its_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = checkout(tmp_path, "src/hyperdnn")
    monkeypatch.setattr(hyperdnn, "__file__", str(file))
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "results.json").write_text("{}")  # what a run writes does not make its code another
    assert environment()["commit"] == commit
    file.write_text("changed = True")
    assert environment()["commit"] == f"{commit}-dirty"


def test_no_commit_of_a_project_that_uses_hyperdnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = checkout(tmp_path, "venv/site-packages/hyperdnn")
    monkeypatch.setattr(hyperdnn, "__file__", str(file))
    assert environment()["commit"] is None


def test_no_commit_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment()["commit"] is None
