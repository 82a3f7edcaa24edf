import copy
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, load_model
from torch import nn

import hyperdnn as hd
from hyperdnn import export
from hyperdnn.errors import ConfigError

from .nets import mlp, tied


def test_a_plain_network_loads_what_was_written(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(mlp(), 3)
    baked, x = model.bake(torch.tensor(2)), torch.randn(4, 3)
    found = export.safetensors(baked, tmp_path / "net.safetensors", x)
    plain = mlp().eval()
    plain.load_state_dict(load_file(found.path))
    assert torch.equal(plain(x), model.eval()(x, context=torch.tensor(2)))
    assert torch.equal(found.run(x), plain(x))
    assert (found.difference.largest, found.numbers, found.bytes) == (0.0, 32, found.path.stat().st_size)


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    export.safetensors(mlp(), tmp_path / "net.safetensors", torch.randn(4, 3), metadata={"context": "task 3"})
    with safe_open(tmp_path / "net.safetensors", framework="pt") as file:
        facts = file.metadata()
    assert (facts["format"], facts["class"], facts["context"]) == ("pt", "Sequential", "task 3")
    assert (facts["hyperdnn"], facts["torch"]) == (hd.__version__, torch.__version__)


def test_tied_weights_are_written_once(tmp_path: Path) -> None:
    net, x = tied(), torch.randn(4, 3)
    found = export.safetensors(net, tmp_path / "net.safetensors", x)
    assert len(load_file(found.path)) == 3
    other = tied()
    load_model(other, found.path)
    assert torch.equal(other(x), net(x))


def test_every_number_comes_from_the_file(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3))
    net[0].weight = nn.Parameter(torch.randn(2, 2, 3).permute(2, 1, 0))  # not contiguous
    net[1].running_mean.fill_(4.0)
    before = copy.deepcopy(net.state_dict())
    found = export.safetensors(net, tmp_path / "net.safetensors", torch.randn(4, 2, 5))
    for net_now in (net, found.run):
        assert all(torch.equal(tensor, before[name]) for name, tensor in net_now.state_dict().items())
    assert net.training


def test_a_hyperdnn_has_a_form_of_its_own(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(mlp(), 3)
    with pytest.raises(ConfigError, match=r"save_pretrained\(folder\), or export model\.bake\(context\)"):
        export.safetensors(model, tmp_path / "net.safetensors", torch.randn(4, 3))
