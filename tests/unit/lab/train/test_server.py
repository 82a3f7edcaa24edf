import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines import Plain
from hyperdnn.lab.train import Averaging, Generating, Server
from hyperdnn.lab.train._server import network_of


def _net():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_both_are_servers():
    assert issubclass(Generating, Server)
    assert issubclass(Averaging, Server)


def test_a_generating_server_sends_what_the_hypernet_generates_and_counts_all_the_same():
    model = hd.HyperDNN.for_tasks(_net(), num_tasks=4)
    server = Generating(model)
    sent, one = server.weights(torch.tensor([3, 1])), model.generate(torch.tensor(1))
    for name, expected in one.items():
        torch.testing.assert_close(sent[name][1], expected)
    assert not sent["0.weight"][0].equal(sent["0.weight"][1])
    assert server.shares([1, 1000]) == [0.5, 0.5]


def test_an_averaging_server_sends_the_same_and_counts_samples():
    net = _net()
    net[0].bias.requires_grad_(False)
    server = Averaging(Plain(net))
    sent = server.weights(torch.tensor([3, 1]))
    assert list(sent) == ["0.weight", "2.weight", "2.bias"]
    assert sent["0.weight"].shape == (2, 4, 3)
    assert sent["0.weight"][1].equal(net[0].weight)
    assert server.shares([1, 3]) == [0.25, 0.75]
    sum(w.sum() for w in sent.values()).backward()
    assert net[0].weight.grad.equal(torch.full((4, 3), 2.0))


def test_a_clients_network_is_a_copy_that_takes_what_is_sent():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LSTM(4, 2))
    for model in (Plain(net), hd.HyperDNN.for_tasks(_net(), num_tasks=4, select="0.*")):
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        network = network_of(model)
        server = Averaging(model) if isinstance(model, Plain) else Generating(model)
        network.layout.check(server.weights(torch.tensor([0])))
        for tensor in network.state_dict().values():
            tensor.data.zero_()
        assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("make", [Plain, lambda net: hd.HyperDNN.for_tasks(net, num_tasks=4, select="2.*")])
def test_what_is_frozen_is_shared_and_not_copied(make):
    net = _net()
    net[0].requires_grad_(False)
    layers = network_of(make(net)).module
    assert layers[0].weight is net[0].weight
    assert layers[2] is not net[2]


def test_other_models_are_refused():
    with pytest.raises(ConfigError, match=r"trains a HyperDNN, or baselines.Plain with server=.*Averaging, got Linear"):
        network_of(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="got Linear"):
        Averaging(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"got Plain. For federated averaging .* server=lab.train.Averaging"):
        Generating(Plain(_net()))
