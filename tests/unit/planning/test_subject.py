import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.planning._subject import Subject


def _net() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 4), nn.Linear(6, 4))
    net[3].weight = net[2].weight
    net[0].bias.requires_grad_(False)
    return net


def test_a_module_is_looked_at_and_not_taken_over():
    net = _net()
    before = copy.deepcopy(net.state_dict())
    Subject.of(net, "*")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    hd.Target(net, buffers="batch")


@pytest.mark.parametrize("select", ["*", "2.*", ("0.bias", "3.bias"), nn.Linear, lambda spec: "weight" in spec.name])
def test_a_module_has_the_numbers_of_the_target_that_it_will_be(select):
    ours = Subject.of(_net(), select)
    theirs = Subject.of(hd.Target(_net(), select, buffers="batch"), "*")
    assert ours.replaced.names == theirs.replaced.names
    for number in ("kept", "frozen", "deployed", "layers"):
        assert getattr(ours, number) == getattr(theirs, number), number


def test_base_weights_of_a_target_count_as_frozen_or_kept():
    assert Subject.of(hd.Target(nn.Linear(3, 2), combine=targets.Residual()), "*").frozen == 8
    trained = Subject.of(hd.Target(nn.Linear(3, 2), combine=targets.Residual(), train_base=True), "*")
    assert (trained.frozen, trained.kept, trained.deployed) == (0, 8, 8)


@pytest.mark.parametrize(
    ("select", "arguments"),
    [("*", ""), ("2.*", ", '2.*'"), (["0.*", "2.*"], ", ['0.*', '2.*']"), (nn.Linear, ", select")],
)
def test_the_selection_as_code(select, arguments):
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    assert Subject.of(net, select).arguments == arguments
    assert Subject.of(_net(), "0.*").arguments == ", '0.*', buffers=\"batch\""
    assert Subject.of(hd.Target(net), "*").arguments is None


def test_format_and_device():
    subject = Subject.of(nn.Linear(3, 2, dtype=torch.bfloat16, device="meta"), "*")
    assert (subject.dtype, subject.device) == (torch.bfloat16, torch.device("cpu"))


def test_what_cannot_be_meant():
    with pytest.raises(ConfigError, match="has its selection already"):
        Subject.of(hd.Target(nn.Linear(3, 2)), "weight")
    with pytest.raises(LayoutError, match="there is nothing to generate"):
        Subject.of(nn.ReLU(), "*")
    empty = nn.PReLU()
    empty.weight = nn.Parameter(torch.empty(0))
    with pytest.raises(LayoutError, match="'weight' is empty"):
        Subject.of(empty, "*")
