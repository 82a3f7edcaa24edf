from copy import deepcopy
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines import TD3, GivenPolicy, TD3Settings, td3_act, td3_step
from hyperdnn.lab.data import Transitions, point_mass
from hyperdnn.lab.train import Settings, State

WHERE = point_mass(0.9)
ACTING = replace(WHERE, optimum=None)


class Critics(nn.Module):
    """Two values of a state and an action."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 2)

    def forward(self, states, actions):
        return (20 * self.linear(torch.cat([states, actions], -1))).sin()


@dataclass(frozen=True)
class Config:
    td3: TD3Settings = field(
        default_factory=lambda: TD3Settings(delay=2, follow=0.25, smooth=(0.0, 0.5), policy_lr=0.01)
    )


def agent(where=ACTING):
    torch.manual_seed(0)
    return TD3(Critics(), nn.Sequential(nn.Linear(4, 2), nn.Tanh()), where)


def state(model, config=None):
    optimizer = Settings(optimizer="sgd", lr=0.1).make_optimizer(model.parameters())
    generator = torch.Generator().manual_seed(0)
    return State(model=model, config=config or Config(), generator=generator, optimizer=optimizer)


def batch(n=5):
    generator = torch.Generator().manual_seed(1)
    seen, following = (torch.randn(n, 4, generator=generator) for _ in range(2))
    return Transitions(
        observations=seen,
        actions=2 * torch.rand(n, 2, generator=generator) - 1,
        rewards=torch.randn(n, generator=generator),
        following=following,
        terminated=torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]),
    )


def values(critics, states, actions):
    return critics(states / WHERE.scale, actions)


def test_the_lower_critic_is_believed_unless_the_episode_has_ended():
    model, rows = agent(), batch()
    noise = torch.tensor([0.3, -0.4]).expand(5, 2)
    actions = (model.slow_policy(rows.following / WHERE.scale) + noise).clamp(-1, 1)
    both = values(model.slow_critics, rows.following, actions)
    assert (both[:, 0] < both[:, 1]).unique().numel() == 2  # neither is always the lower one
    expected = [
        r if end else r + 0.5 * min(a, b)
        for r, end, (a, b) in zip(rows.rewards, rows.terminated, both.tolist(), strict=True)
    ]
    torch.testing.assert_close(model.wanted(rows, noise, 0.5), torch.tensor(expected))


def test_the_copies_are_what_targets_are_made_of():
    model, rows = agent(), batch()
    before = model.wanted(rows, torch.zeros(5, 2), 0.9)
    with torch.no_grad():
        for part in (model.critics, model.policy):
            for parameter in part.parameters():
                parameter.add_(1.0)
    assert model.wanted(rows, torch.zeros(5, 2), 0.9).equal(before)
    assert not before.requires_grad


def test_copies_follow_by_a_share():
    model = agent()
    old = deepcopy(model.slow_critics.linear.weight)
    with torch.no_grad():
        model.critics.linear.weight.add_(4.0)
    model.follow(0.25)
    torch.testing.assert_close(model.slow_critics.linear.weight, old + 1.0)
    assert not any(parameter.requires_grad for parameter in model.slow_critics.parameters())


def test_the_loss_is_the_sum_of_both_critics_mean_squares():
    model, rows = agent(), batch()
    config = Config(td3=replace(Config().td3, rewards=3.0, discount=0.5))
    wanted = model.wanted(replace(rows, rewards=3 * rows.rewards), torch.zeros(5, 2), 0.5)
    errors = values(model.critics, rows.observations, rows.actions) - wanted[:, None]
    found = td3_step(model, rows, state(model, config))
    torch.testing.assert_close(found["loss"], errors[:, 0].square().mean() + errors[:, 1].square().mean())


def test_the_noise_on_target_actions_is_bounded():
    model, rows = agent(), batch()
    config = Config(td3=replace(Config().td3, smooth=(1e6, 0.25)))
    seen = []
    model.slow_critics.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    td3_step(model, rows, state(model, config))
    plain = model.slow_policy(rows.following / WHERE.scale)
    away = (seen[0] - plain).abs()
    assert away.max() <= 0.25 + 1e-6
    assert seen[0].abs().max() <= 1
    assert (away > 0.2).any()


def test_two_steps_of_the_critics_and_one_of_the_policy():
    model, rows = agent(), batch()
    now = state(model)
    moved = []
    for step in range(6):
        now.step = step
        now.optimizer.zero_grad()
        td3_step(model, rows, now)["loss"].backward()
        moved.append((model.critics.linear.weight.grad is not None, model.policy[0].weight.grad is not None))
    assert moved == [(True, False), (True, False), (False, True)] * 2


def test_copies_move_once_in_a_cycle():
    model, rows = agent(), batch()
    now, calls = state(model), []
    model.follow = calls.append
    for step in range(6):
        now.step = step
        td3_step(model, rows, now)
    assert calls == [0.25, 0.25]


def test_the_policy_climbs_the_first_critic_alone():
    model, rows = agent(), batch()
    now = state(model)
    now.step = 2
    td3_step(model, rows, now)["loss"].backward()
    actions = model.policy(rows.observations / WHERE.scale)
    expected = torch.autograd.grad(
        -values(model.critics, rows.observations, actions)[:, 0].mean(), model.policy[0].weight
    )[0]
    torch.testing.assert_close(model.policy[0].weight.grad, expected)
    assert now.optimizer.param_groups[0]["lr"] == 0.01


def test_a_known_policy_is_not_learnt():
    model, rows = agent(WHERE), batch()
    assert isinstance(model.policy, GivenPolicy)
    assert not model.learns
    torch.testing.assert_close(model.act(rows.observations), WHERE.optimum(rows.observations))
    now = state(model)
    for step in range(4):
        now.step = step
        assert td3_step(model, rows, now)["loss"] > 0
    assert list(model.policy.state_dict()) == []


def test_exploration_comes_from_the_generator_and_stays_in_the_box():
    model, rows = agent(), batch()
    config = Config(td3=replace(Config().td3, explore=10.0))
    found = [td3_act(model, rows.observations, state(model, config)) for _ in range(2)]
    assert found[0].equal(found[1])
    assert found[0].abs().max() == 1
    still = Config(td3=replace(Config().td3, explore=0.0))
    assert td3_act(model, rows.observations, state(model, still)).equal(model.act(rows.observations))


@torch.no_grad()
def test_the_gradient_of_a_critic_is_that_of_small_steps():
    model, rows = agent().double(), batch()
    seen, done = rows.observations.double(), rows.actions.double()
    found = model.action_gradient(seen, done)
    for axis in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[axis] = 1e-5
        slope = (model(seen, done + step) - model(seen, done - step))[:, 0] / 2e-5
        torch.testing.assert_close(found[:, axis], slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"), [("delay", 0), ("follow", -0.1), ("smooth", (-1.0, 0.5)), ("explore", -1.0)]
)
def test_numbers_that_make_no_sense_are_named(name, value):
    with pytest.raises(ConfigError, match=f"td3.{name}: expected"):
        TD3Settings(**{name: value})
