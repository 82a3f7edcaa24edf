"""What users may rely on: `public_names.txt` holds every public name, so that none appears or goes by accident.

After a deliberate change: ``python tests/architecture/test_public_names.py``.
"""

import importlib
import inspect
from pathlib import Path

import pytest

import hyperdnn

SNAPSHOT = Path(__file__).with_name("public_names.txt")
PACKAGE = Path(hyperdnn.__file__).parent
NOT_LIBRARY = {"cli", "recipes"}


def _folders() -> list[str]:
    """Every public module: the package, its folders to any depth, its public files."""
    paths = [p.parent if p.name == "__init__.py" else p.with_suffix("") for p in sorted(PACKAGE.rglob("*.py"))]
    parts = {("hyperdnn", *p.relative_to(PACKAGE).parts) for p in paths}
    public = [p for p in parts if not any(q.startswith("_") for q in p) and not NOT_LIBRARY & set(p)]
    return sorted(".".join(p) for p in public)


def _names() -> list[str]:
    return [f"{folder}.{name}" for folder in _folders() for name in importlib.import_module(folder).__all__]


def _values() -> dict[str, object]:
    """Every public name with what it stands for."""
    split = (path.rpartition(".") for path in _names())
    return {f"{folder}.{name}": getattr(importlib.import_module(folder), name) for folder, _, name in split}


@pytest.mark.parametrize("folder", _folders())
def test_every_folder_says_what_is_public(folder):
    module = importlib.import_module(folder)
    assert module.__all__, f"{folder} exports nothing"
    assert len(set(module.__all__)) == len(module.__all__)
    assert module.__doc__, f"{folder} has no map"


def test_public_names_are_those_of_the_snapshot():
    assert sorted(_names()) == SNAPSHOT.read_text(encoding="utf-8").splitlines()


def test_every_public_name_is_documented():
    kinds = (inspect.isclass, inspect.isroutine, inspect.ismodule)
    bare = [
        path for path, value in _values().items() if any(is_a(value) for is_a in kinds) and not inspect.getdoc(value)
    ]
    assert bare == []


def test_every_public_method_is_documented():
    bare = []
    for path, value in _values().items():
        if inspect.isclass(value) and value.__module__.startswith("hyperdnn"):
            methods = [k for k, v in vars(value).items() if inspect.isroutine(v) or isinstance(v, property)]
            public = [k for k in methods if not k.startswith("_") and k != "forward"]  # forward is on its class
            bare += [f"{path}.{k}" for k in public if not inspect.getdoc(getattr(value, k))]
    assert bare == []


if __name__ == "__main__":
    SNAPSHOT.write_text("\n".join(sorted(_names())) + "\n", encoding="utf-8")
