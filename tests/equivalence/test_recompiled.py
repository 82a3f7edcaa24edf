"""One compiled model for every use; an exported program is the model, with generation inside."""

from pathlib import Path

import pytest

from ..scripts import complaints

SCRIPT = Path(__file__).with_name("recompiled.py")


def _complaints(which):
    found = complaints(SCRIPT, which, timeout=900)
    return len(found), {name: words for name, words in found.items() if words is not None}


def test_one_compiled_model_for_every_use():
    assert _complaints("fast") == (9, {})


@pytest.mark.slow
def test_with_every_head_and_target():
    assert _complaints("slow") == (63, {})
