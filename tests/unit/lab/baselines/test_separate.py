import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.inspect import health
from hyperdnn.lab.baselines import Separate


def _model(contexts=3):
    target = hd.Target(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    return hd.HyperDNN(target, Separate(contexts, target.layout))


def test_each_context_has_its_own_network():
    model = _model()
    x = torch.randn(5, 4)
    y = model(x, context=torch.arange(3), data_dims=None)
    for context in range(3):
        torch.testing.assert_close(y[context], model.bake(torch.tensor(context))(x))
    assert not y[0].allclose(y[1])
    assert model.count().trained == 3 * model.target.layout.numel


def test_nothing_is_shared():
    model = _model()
    model(torch.randn(5, 4), context=torch.tensor(1)).square().sum().backward()
    for tensor in model.hypernet.tensors:
        assert tensor.grad[[0, 2]].abs().sum() == 0
        assert tensor.grad[1].abs().sum() > 0


def test_it_starts_as_the_target_would():
    net = nn.Linear(400, 300)
    std = net.weight.std().item()
    separate = Separate(2, hd.Target(net).layout)
    assert separate(torch.tensor(0))["weight"].std().item() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (2, 3)])
def test_leading_dimensions_are_kept(contexts):
    model = _model()
    weights = model.generate(torch.zeros(contexts, dtype=torch.long))
    assert model.target.layout.check(weights) == torch.Size(contexts)


def test_copies_types_and_health():
    model = copy.deepcopy(_model()).double()
    assert model(torch.randn(5, 4).double(), context=torch.tensor(2)).dtype == torch.float64
    assert health(model, context=torch.arange(3)).findings == ()
    half = Separate(2, model.target.layout, dtype=torch.bfloat16)
    assert half(torch.tensor(1))["0.bias"].dtype == torch.bfloat16


def test_no_context_is_refused():
    with pytest.raises(ConfigError, match="at least one context, got 0"):
        _model(0)
