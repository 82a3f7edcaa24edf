import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.lab.baselines import WithNoise


def test_mean_and_noise_stand_side_by_side() -> None:
    net = nn.Linear(3, 1)
    noisy, x = WithNoise(net), torch.randn(5, 3)
    torch.nn.init.constant_(noisy.log_scale, -0.7)
    assert noisy(x)[:, 0].equal(net(x)[:, 0])
    assert noisy(x)[:, 1].eq(torch.tensor(-0.7)).all()


def test_the_noise_is_trained_where_the_mean_is_generated() -> None:
    model = hd.HyperDNN.for_tasks(WithNoise(nn.Linear(3, 1)), 2, select="net.*")
    output = model(torch.randn(2, 5, 3), context=torch.arange(2))
    assert output.shape == (2, 5, 2)
    output[..., 1].sum().backward()
    assert model.target.module.log_scale.grad.tolist() == [10.0]


def test_the_type_follows_the_network() -> None:
    assert WithNoise(nn.Linear(3, 1).double())(torch.randn(2, 3).double()).dtype == torch.float64
