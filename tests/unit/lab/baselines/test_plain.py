import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn.lab.baselines import Plain, plain_step
from hyperdnn.lab.data import Batch
from hyperdnn.lab.train import State


def test_the_context_makes_no_difference():
    net = nn.Linear(3, 2)
    inputs = torch.randn(5, 3)
    assert Plain(net)(inputs, context=torch.tensor(1)).equal(net(inputs))
    assert Plain(net)(inputs, context=torch.tensor(7)).equal(net(inputs))


def test_it_counts_itself_as_a_network_that_is_not_generated():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    net[1].requires_grad_(False)
    count = Plain(net).count()
    assert (count.trained, count.total, count.hypernet, count.generated, count.deployed) == (8, 14, 0, 0, 14)


def test_its_step_is_the_cross_entropy():
    model = Plain(nn.Linear(3, 2))
    batch = Batch(context=torch.tensor(4), inputs=torch.randn(5, 3), targets=torch.tensor([0, 1, 1, 0, 1]))
    losses = plain_step(model, batch, State(model=model, config=None, generator=torch.Generator()))
    assert list(losses) == ["loss"]
    assert losses["loss"].equal(F.cross_entropy(model.net(batch.inputs), batch.targets))
