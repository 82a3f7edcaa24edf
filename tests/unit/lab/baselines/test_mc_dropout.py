import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines import MCDropout, Plain

CONTEXTS = torch.empty(4)


def net(dropout: float = 0.5) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 20), nn.Dropout(dropout), nn.Linear(20, 2))


def test_a_plain_network_is_the_same_for_every_context() -> None:
    module, x = net().eval(), torch.randn(5, 2, 3)
    outputs = Plain(module).ensemble(CONTEXTS)(x)
    assert outputs.shape == (4, 5, 2)
    assert outputs.eq(module(x)).all()


def test_dropout_draws_a_mask_for_each_context_and_sample() -> None:
    model, x = MCDropout(net()).eval(), torch.ones(5, 2, 3)
    outputs = model.ensemble(CONTEXTS)(x)
    assert outputs.shape == (4, 5, 2)
    assert len(outputs.flatten(0, 1).unique(dim=0)) == 20
    assert not any(module.training for module in model.modules())
    assert model(x, context=None).equal(model.net(x))


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    model, x = MCDropout(net(0.2)).eval(), torch.randn(3, 2, 3)
    many = model.ensemble(torch.empty(4000))(x).mean(0)
    torch.testing.assert_close(many, model(x, context=None), atol=0.03, rtol=0)


def test_what_could_not_predict_is_refused_before_it_is_trained() -> None:
    with pytest.raises(ConfigError, match="no dropout that could stay on"):
        MCDropout(net(0.0))
