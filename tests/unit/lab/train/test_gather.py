"""Of one process; of several see ``tests/distributed``."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train import gather_weights
from hyperdnn.lab.train._checkpoint import write_checkpoint

ABOUT = {"step": 5, "task": 0, "score": 0.5}


def _model():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight  # tied
    return model


def test_the_file_is_the_state_of_the_model(tmp_path):
    model, other = _model(), _model()
    write_checkpoint(tmp_path / "final", {"model": model.state_dict(), "outcome": {"loss": 1.0}}, about=ABOUT)
    gather_weights(tmp_path / "final", tmp_path / "there" / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "there" / "model.safetensors"))
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_a_damaged_one_is_refused(tmp_path):
    write_checkpoint(tmp_path / "final", {"model": {"w": torch.ones(3)}}, about=ABOUT)
    (tmp_path / "final" / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is damaged"):
        gather_weights(tmp_path / "final", tmp_path / "model.safetensors")


@pytest.mark.parametrize("value", [{"model": {"extra": 1}}, {}, {"model": [torch.ones(1)]}])
def test_what_is_no_tensor_is_named(tmp_path, value):
    write_checkpoint(tmp_path / "final", value, about=ABOUT)
    with pytest.raises(CheckpointError, match=r"final: '(extra|model)' is no tensor"):
        gather_weights(tmp_path / "final", tmp_path / "model.safetensors")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    write_checkpoint(tmp_path / "final", {"model": {"w": torch.ones(3)}}, about=ABOUT)
    with pytest.raises(CheckpointError, match=r"final cannot be written"):
        gather_weights(tmp_path / "final", tmp_path / "final")
    assert list(tmp_path.iterdir()) == [tmp_path / "final"]  # nothing half written is left
