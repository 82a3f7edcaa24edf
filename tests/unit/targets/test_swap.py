import pytest
import torch
from torch import nn

from hyperdnn._torch import WeightNormBase
from hyperdnn.nn import PooledBatchNorm, Recurrent, RecurrentCell, WeightNorm
from hyperdnn.targets._swap import restore, swap_batch_norm, swap_layers


class MyLSTM(nn.LSTM):
    pass


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_go_and_come_back(make: type[nn.RNNBase]) -> None:
    inner = make(3, 4)
    module = nn.ModuleDict({"a": inner, "b": nn.Linear(4, 4)})
    weight = inner.weight_ih_l0
    assert isinstance(swap_layers(module)["a"], Recurrent)
    back = restore(module)["a"]
    assert type(back) is make
    assert back.weight_ih_l0 is weight
    x = torch.randn(5, 2, 3)
    assert torch.equal(back(x)[0], inner(x)[0])


@pytest.mark.parametrize("make", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells_go_and_come_back_even_as_the_root(make: type[nn.RNNCellBase]) -> None:
    ours = swap_layers(make(3, 4))
    assert isinstance(ours, RecurrentCell)
    assert type(restore(ours)) is make


def test_weight_norms_go_and_come_back_with_what_they_normalise() -> None:
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4), dim=1))
    parameters, x = dict(module.named_parameters()), torch.randn(5, 3)
    expected = module(x)
    assert isinstance(swap_layers(module)[0].parametrizations["weight"][0], WeightNorm)
    torch.testing.assert_close(module(x), expected)
    back = restore(module)
    assert type(back[0].parametrizations["weight"][0]) is WeightNormBase
    assert all(back.get_parameter(name) is p for name, p in parameters.items())
    assert back(x).equal(expected)


def test_a_subclass_stays_for_its_forward_is_its_own() -> None:
    module = nn.Sequential(MyLSTM(3, 4))
    assert type(swap_layers(module)[0]) is MyLSTM


@pytest.mark.parametrize("make", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d])
def test_batch_norms_with_statistics_are_pooled_and_come_back(make: type[nn.Module]) -> None:
    layer = make(3, momentum=0.3).eval()
    ours = swap_batch_norm(nn.Sequential(layer))
    assert isinstance(ours[0], PooledBatchNorm)
    back = restore(ours)[0]
    assert (type(back), back.momentum, back.training) == (make, 0.3, False)
    assert back.running_mean is layer.running_mean
    assert back.weight is layer.weight


def test_batch_norms_without_statistics_and_other_norms_stay() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.InstanceNorm1d(3), nn.LayerNorm(3))
    before = list(module)
    assert list(swap_batch_norm(module)) == before


def test_a_layer_used_twice_stays_one_layer() -> None:
    shared = nn.GRU(3, 3)
    module = swap_layers(nn.ModuleList([shared, nn.Sequential(shared)]))
    assert module[0] is module[1][0]


def test_the_mode_of_the_layer_survives() -> None:
    module = nn.Sequential(nn.LSTM(3, 4, 2, dropout=0.5)).eval()
    assert not swap_layers(module)[0].training
    assert not restore(module)[0].training
