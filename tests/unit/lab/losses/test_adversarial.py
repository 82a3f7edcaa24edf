import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn.lab.losses import adversarial, normal_moments


def _critic() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def test_each_gradient_is_that_of_its_own_loss_alone() -> None:
    critic, real = _critic(), torch.randn(7, 3, dtype=torch.float64)
    samples = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    loss_critic, loss_samples = adversarial(critic, samples, real)
    (loss_critic + 5 * loss_samples).backward()
    found = [samples.grad / 5, *(parameter.grad for parameter in critic.parameters())]
    other = samples.detach().clone().requires_grad_()
    ones, zeros = torch.ones(7, 1).double(), torch.zeros(4, 2, 1).double()
    told = F.binary_cross_entropy_with_logits
    apart = told(critic(real), ones) + told(critic(other.detach()), zeros)
    passed = told(critic(other), 1 - zeros)
    expected = [*torch.autograd.grad(passed, [other]), *torch.autograd.grad(apart, list(critic.parameters()))]
    torch.testing.assert_close(loss_critic, apart)
    torch.testing.assert_close(loss_samples, passed)
    for one, another in zip(found, expected, strict=True):
        torch.testing.assert_close(one, another)


def test_an_undecided_critic_and_one_that_is_sure() -> None:
    samples, real = torch.zeros(2, 1, requires_grad=True), torch.ones(3, 1)
    undecided = nn.Linear(1, 1)
    nn.init.zeros_(undecided.weight)
    nn.init.zeros_(undecided.bias)
    assert [loss.item() for loss in adversarial(undecided, samples, real)] == pytest.approx(
        [2 * math.log(2), math.log(2)]
    )
    nn.init.constant_(undecided.weight, 100.0)
    nn.init.constant_(undecided.bias, -50.0)
    loss_critic, loss_samples = adversarial(undecided, samples, real)
    assert (loss_critic.item(), loss_samples.item()) == pytest.approx((0.0, 50.0))
    loss_samples.backward()
    assert samples.grad.tolist() == [[-50.0], [-50.0]]  # full strength, though the critic is sure


def test_samples_that_follow_the_critic_become_like_the_real_ones() -> None:
    torch.manual_seed(0)
    critic, place = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1)), nn.Parameter(torch.tensor(3.0))
    optimizer = torch.optim.Adam([*critic.parameters(), place], lr=0.01)
    for _ in range(400):
        loss = torch.stack(adversarial(critic, place + 0.5 * torch.randn(64, 1), 0.5 * torch.randn(64, 1))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(place.item()) < 0.5


def test_moments_by_hand() -> None:
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    assert normal_moments(corners * 0.75**0.5).item() == pytest.approx(0.0)  # covariance divides by n - 1
    shifted = corners * 0.75**0.5 + torch.tensor([2.0, 0.0], dtype=torch.float64)
    assert normal_moments(shifted).item() == pytest.approx(2.0)  # 4 in one of two means
    line = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64) * 0.5**0.5
    assert normal_moments(line).item() == pytest.approx(0.5)  # each alone is normal, but they are one


def test_little_is_left_of_perfect_samples() -> None:
    torch.manual_seed(0)
    assert normal_moments(torch.randn(1000, 50)).item() == pytest.approx(2 / 1000, rel=0.2)
