import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The import names of the optional packages, where they differ from the names that pip knows.
IMPORT_NAMES = {"lightning-fabric": "lightning_fabric", "pyyaml": "yaml", "scikit-learn": "sklearn"}


def _loaded_after(statement: str) -> set[str]:
    """The top-level modules of a fresh interpreter after one statement."""
    script = f"import json, sys\n{statement}\nsys.stderr.write(json.dumps([m.split('.')[0] for m in sys.modules]))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def _extras() -> set[str]:
    lines = metadata.requires("hyperdnn") or ()
    packages = {line.split(">")[0].split("[")[0].strip() for line in lines if "extra ==" in line}
    return {IMPORT_NAMES.get(package, package) for package in packages} - {"hyperdnn"}


def test_the_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_importing_the_package_imports_no_torch():
    assert "torch" not in _loaded_after("import hyperdnn")


def test_the_core_imports_no_extra():
    extras = _extras()
    assert {"lightning_fabric", "yaml", "sklearn", "matplotlib"} <= extras
    loaded = _loaded_after("import hyperdnn as hd; hd.HyperDNN, hd.Target, hd.summary")
    assert "torch" in loaded
    assert not loaded & (extras - _loaded_after("import torch"))


@pytest.mark.parametrize("command", ["--help", "list", "list --json", "plan --help"])
def test_help_and_list_import_neither_torch_nor_extras(command):
    loaded = _loaded_after(f"from hyperdnn.cli import main; assert main({command.split()}) == 0")
    assert not loaded & {"torch", "numpy", *_extras()}


def test_show_imports_neither_torch_nor_extras():
    toy = ROOT / "tests" / "unit" / "lab" / "toy_recipe.py"
    loaded = _loaded_after(f"from hyperdnn.cli import main; assert main(['show', {str(toy)!r}]) == 0")
    assert not loaded & {"torch", "numpy", *_extras()}


def test_a_recipes_declarations_import_no_torch():
    assert "torch" not in _loaded_after("from hyperdnn import lab; lab.Recipe, lab.Claim, lab.config.override")
