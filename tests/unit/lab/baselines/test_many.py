from copy import deepcopy

import pytest
import torch
from torch import nn

from hyperdnn.errors import BufferPolicyError, ConfigError
from hyperdnn.lab.baselines import Many


def _dense() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 20), nn.Dropout(0.0), nn.Linear(20, 2))


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize("make", [torch.optim.Adam, lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)])
def test_each_trains_as_it_would_alone(make):
    nets = [_net().double() for _ in range(3)]
    alone, many = [deepcopy(net) for net in nets], Many(nets)
    images, scales = torch.randn(5, 1, 4, 4, dtype=torch.float64), torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64)
    optimizers = [make(net.parameters(), lr=0.01) for net in (many, *alone)]
    for _ in range(4):
        losses = [many(images, context=None, data_dims=None).square().mean((1, 2))]
        losses += [net(images).square().mean() for net in alone]
        for loss, optimizer, scale in zip(losses, optimizers, (scales, *scales), strict=True):
            optimizer.zero_grad()
            (loss * scale).sum().backward()
            optimizer.step()
    found = many(images, context=None, data_dims=None)
    torch.testing.assert_close(found, torch.stack([net(images) for net in alone]))


def test_each_may_have_a_batch_of_its_own():
    nets = [_net() for _ in range(2)]
    expected = [deepcopy(net) for net in nets]
    images = torch.randn(2, 5, 1, 4, 4)
    found = Many(nets)(images, context=torch.arange(2))
    torch.testing.assert_close(found, torch.stack([net(x) for net, x in zip(expected, images, strict=True)]))


def test_it_trains_the_numbers_of_all_and_is_saved():
    many = Many(_net() for _ in range(4))
    assert sum(p.numel() for p in many.parameters()) == 4 * sum(p.numel() for p in _net().parameters())
    other = Many(_net() for _ in range(4))
    other.load_state_dict(many.state_dict())
    images = torch.randn(5, 1, 4, 4)
    assert other(images, context=None, data_dims=None).equal(many(images, context=None, data_dims=None))


def test_networks_that_differ_are_refused():
    with pytest.raises(ConfigError, match="expected at least one network"):
        Many([])
    with pytest.raises(ConfigError, match="network 1 has other parameters"):
        Many([nn.Linear(2, 3), nn.Linear(3, 2)])
    with pytest.raises(BufferPolicyError):
        Many([nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2)])


def test_members_are_their_networks() -> None:
    nets = [_dense() for _ in range(3)]
    plain = [nn.Sequential(*n) for n in nets]
    x = torch.randn(3, 5, 2, 3)
    own = torch.stack([n(batch) for n, batch in zip(plain, x, strict=True)])
    shared = torch.stack([n(x[0]) for n in plain])
    model = Many(nets)
    torch.testing.assert_close(model(x, context=None), own)
    torch.testing.assert_close(model.ensemble(torch.empty(3))(x[0]), shared)
    seven = model.ensemble(torch.empty(7))(x[0])
    torch.testing.assert_close(seven, shared[torch.arange(7) % 3])


def test_members_are_trained_apart() -> None:
    model = Many([_dense() for _ in range(3)])
    assert [name for name, _ in model.named_parameters()] == ["rows"]
    model(torch.randn(3, 5, 2, 3), context=None)[1].sum().backward()
    assert model.rows.grad.any(1).tolist() == [False, True, False]
