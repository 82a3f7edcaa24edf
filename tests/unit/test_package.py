import re
import subprocess
import sys

import pytest

import hyperdnn as hd


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", hd.__version__)


@pytest.mark.parametrize("name", hd.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(hd, name) is not None
    assert name in dir(hd)


@pytest.mark.parametrize("folder", ["bodies", "encoders", "errors", "heads", "init", "inspect", "layout", "targets"])
def test_folders_are_attributes(folder: str) -> None:
    assert getattr(hd, folder).__name__ == f"hyperdnn.{folder}"


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'hyperdnn' has no attribute 'Hypernett'"):
        hd.Hypernett  # noqa: B018


def test_importing_the_package_loads_no_torch_and_touching_a_name_does() -> None:
    code = (
        "import sys, hyperdnn; assert 'torch' not in sys.modules; dir(hyperdnn); assert 'torch' not in sys.modules; "
        "hyperdnn.HyperDNN; assert 'torch' in sys.modules; "
        "extras = {'yaml', 'tyro', 'rich', 'matplotlib', 'sklearn', 'lightning_fabric', 'torchmetrics', 'pooch'}; "
        "assert not extras & set(sys.modules), extras & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
