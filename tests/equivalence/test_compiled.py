"""Compiled as one graph, a model is the eager one: values, gradients, running statistics."""

from pathlib import Path

import pytest

from ..scripts import complaints
from .compiled import MODELS, SLOW

SCRIPT = Path(__file__).with_name("compiled.py")


@pytest.fixture(scope="module")
def eager():
    return complaints(SCRIPT, "eager", timeout=900)


@pytest.fixture(scope="module")
def inductor():
    return complaints(SCRIPT, "inductor", timeout=900)


@pytest.mark.parametrize("name", MODELS)
def test_compiled_is_eager(name, eager):
    assert eager[name] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_generated_code_is_eager(name, inductor):
    assert inductor[name] is None
