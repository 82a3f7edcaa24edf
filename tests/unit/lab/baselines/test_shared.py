import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.baselines import Shared


def _model(contexts=3, own="2.*", combine=None):
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    target = hd.Target(net, combine=combine or targets.Replace())
    return hd.HyperDNN(target, Shared(contexts, target.layout, own=own))


def test_all_is_shared_but_for_a_part_of_each_contexts_own():
    weights = _model().generate(torch.arange(3))
    for name, tensor in weights.items():
        same = [tensor[0].equal(tensor[i]) for i in (1, 2)]
        assert all(same) == (not name.startswith("2.")), name


def test_a_context_trains_its_own_part_and_what_is_shared():
    model = _model()
    model(torch.randn(5, 4), context=torch.tensor(1)).square().sum().backward()
    for tensor in model.hypernet.own.tensors:
        assert tensor.grad[[0, 2]].abs().sum() == 0
        assert tensor.grad[1].abs().sum() > 0
    assert all(tensor.grad.abs().sum() > 0 for tensor in model.hypernet.common.tensors)
    assert model.count().trained == 4 * 8 + 8 + 3 * (8 * 2 + 2)


def test_a_posterior_shares_both_of_its_tensors():
    model = _model(combine=targets.Gaussian())
    names = [f"0.{what}.{role}" for what in ("weight", "bias") for role in ("mean", "log_scale")]
    assert list(model.hypernet.common.layout.names) == names
    assert model(torch.randn(5, 4), context=torch.tensor([0, 1]), data_dims=None).shape == (2, 5, 2)


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (2, 3)])
def test_leading_dimensions_are_kept(contexts):
    model = _model()
    weights = model.generate(torch.zeros(contexts, dtype=torch.long))
    assert model.target.layout.check(weights) == torch.Size(contexts)
    assert list(weights) == list(model.target.layout.names)


def test_copies_and_types():
    model = copy.deepcopy(_model()).double()
    assert model(torch.randn(5, 4).double(), context=torch.tensor(2)).dtype == torch.float64
    half = Shared(2, model.target.layout, own="0.*", dtype=torch.bfloat16)
    assert {w.dtype for w in half(torch.tensor(1)).values()} == {torch.bfloat16}


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="at least one context, got 0"):
        _model(0)
    with pytest.raises(LayoutError, match="3"):
        _model(own="3.*")
    with pytest.raises(LayoutError):
        _model(own="*")
