"""A training that was killed goes on in another number of processes: see ``changing.py``."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hyperdnn.lab.train import gather_weights

from .pair import run_checks
from .trainings import make_model, train


@pytest.mark.slow
def test_one_goes_on_in_two_and_two_in_one(tmp_path):
    whole = train(tmp_path / "whole")
    torch.save(whole.model.state_dict(), tmp_path / "expected.pt")
    assert train(tmp_path / "one for ddp", until=9) is None
    shutil.copytree(tmp_path / "one for ddp", tmp_path / "one for fsdp")
    assert train(tmp_path / "one for dropout", until=9, dropout=0.2) is None
    failed = {
        name: said for name, said in run_checks(Path(__file__).with_name("changing.py"), tmp_path).items() if said
    }
    assert not failed, "\n\n".join(f"{name}\n{said}" for name, said in failed.items())
    for strategy in ("ddp", "fsdp"):
        folder = tmp_path / f"two by {strategy}"
        gather_weights(folder / "kept" / "step-000008", folder / "model.safetensors")
        make_model().load_state_dict(load_file(folder / "model.safetensors"))
        resumed = train(folder)
        for p, q in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
        assert resumed.record == whole.record
