"""What an exported file computes is what the model computes, for one network and for all of them."""

from pathlib import Path

import pytest

from ..scripts import complaints


def test_exported_is_generated():
    pytest.importorskip("onnxruntime", reason="needs hyperdnn[export]")
    found = complaints(Path(__file__).with_name("exported.py"), timeout=600)
    assert len(found) == 18
    assert {name: words for name, words in found.items() if words is not None} == {}
