"""TD3: an agent with two critics, of which the lower one is believed."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least
from hyperdnn.lab.data import Behaviour, Environment, Transitions
from hyperdnn.lab.train import State, Turn, in_turns

__all__ = ["TD3", "GivenPolicy", "TD3Settings", "td3_act", "td3_step"]


@final
@dataclass(frozen=True, kw_only=True)
class TD3Settings:
    """Settings of TD3; the critics' learning rate is ``train.lr``.

    Args:
        discount: of the next step's reward.
        delay: steps of the critics for one of the policy.
        follow: by which the copies move towards what is trained, before each ``delay`` steps of the critics.
        smooth: deviation and bound of the noise on target actions.
        explore: deviation of the noise on actions that are taken.
        rewards: what they are multiplied with.
        policy_lr: learning rate of the policy.

    Raises:
        ConfigError: a number that makes no sense.
    """

    discount: float = 0.99
    delay: int = 2
    follow: float = 0.005
    smooth: tuple[float, float] = (0.2, 0.5)
    explore: float = 0.1
    rewards: float = 1.0
    policy_lr: float = 3e-4

    def __post_init__(self) -> None:
        try:
            check_least(self, 0, "discount", "follow", "smooth", "explore", "policy_lr")
            check_least(self, 1, "delay")
        except ConfigError as error:
            raise ConfigError(f"td3.{error}") from None


@final
class GivenPolicy(nn.Module):
    """A policy with nothing to learn, of observations that were divided by their scale.

    Args:
        behaviour: what it does, seeing observations as they are.
        scale: what they were divided by.
    """

    scale: Tensor

    def __init__(self, behaviour: Behaviour, scale: Tensor) -> None:
        super().__init__()
        self.behaviour = behaviour
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, observations: Tensor) -> Tensor:
        return self.behaviour(observations * self.scale)


@final
class TD3(nn.Module):
    """A policy, its critics, and copies of both that follow them.

    Where the environment's best policy is known, the agent has it, and its critics learn to value that one.

    Args:
        critics: states ``(n, observations)`` and actions ``(n, actions)`` -> two values of each, ``(n, 2)``.
        policy: states -> actions in [-1, 1]; of no account where the best one is known.
        where: says how large observations are, all of which are divided by that.

    Shape:
        observations ``(n, observations)`` and actions ``(n, actions)`` -> values ``(n, 2)``.

    Source:
        Fujimoto, van Hoof & Meger, "Addressing Function Approximation Error in Actor-Critic Methods", ICML 2018.
    """

    scale: Tensor

    def __init__(self, critics: nn.Module, policy: nn.Module, where: Environment) -> None:
        super().__init__()
        self.critics = critics
        self.policy = policy if where.optimum is None else GivenPolicy(where.optimum, where.scale)
        self.slow_critics = deepcopy(critics).requires_grad_(False)
        self.slow_policy = deepcopy(self.policy).requires_grad_(False)
        self.register_buffer("scale", where.scale)

    @property
    def learns(self) -> bool:
        """Whether there is a policy to be learnt."""
        return any(True for _ in self.policy.parameters())

    def act(self, observations: Tensor) -> Tensor:
        """What the policy does, without noise."""
        actions: Tensor = self.policy(observations / self.scale)
        return actions

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        values: Tensor = self.critics(observations / self.scale, actions)
        return values

    @torch.no_grad()
    def wanted(self, batch: Transitions, noise: Tensor, discount: float) -> Tensor:
        """What critics are to say, ``(n,)``: the reward, and what follows as the copies see it, if anything can."""
        following = batch.following / self.scale
        actions = (self.slow_policy(following) + noise).clamp(-1, 1)
        lower: Tensor = self.slow_critics(following, actions).amin(-1)
        return batch.rewards + discount * (1 - batch.terminated) * lower

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """Move the copies."""
        for slow, fast in ((self.slow_critics, self.critics), (self.slow_policy, self.policy)):
            for behind, ahead in zip(slow.parameters(), fast.parameters(), strict=True):
                behind.lerp_(ahead, rate)

    def action_gradient(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The gradient of the first critic, which the policy follows, with respect to the actions."""
        with torch.enable_grad():
            actions = actions.detach().requires_grad_()
            gradient: Tensor = torch.autograd.grad(self(observations, actions)[:, 0].sum(), actions)[0]
        return gradient


def td3_act(model: TD3, observations: Tensor, state: State) -> Tensor:
    """The policy's action with noise, for `train.rollouts`; the configuration has `TD3Settings` as ``td3``."""
    actions = model.act(observations)
    noise = torch.randn(actions.shape, generator=state.generator).to(actions)
    how: TD3Settings = state.config.td3
    return (actions + how.explore * noise).clamp(-1, 1)


def td3_step(model: TD3, batch: Transitions, state: State) -> dict[str, Tensor]:
    """``delay`` steps of the critics in turn with one of the policy, if there is one to be learnt.

    For ``rollouts.collect=delay`` and ``rollouts.updates=delay + 1``, that is a step of the critics for each step in
    the environment.
    """
    return (_BOTH if model.learns else _CRITICS)(model, batch, state)


def _step_critics(model: TD3, batch: Transitions, state: State) -> dict[str, Tensor]:
    """The squared errors of both critics."""
    how: TD3Settings = state.config.td3
    if state.step % (how.delay + model.learns) == 0:
        model.follow(how.follow)
    deviation, bound = how.smooth
    noise = deviation * torch.randn(batch.actions.shape, generator=state.generator)
    batch = replace(batch, rewards=how.rewards * batch.rewards)
    wanted = model.wanted(batch, noise.clamp(-bound, bound).to(batch.actions), how.discount)
    values = model(batch.observations, batch.actions)
    return {"loss": 2 * F.mse_loss(values, wanted[:, None].expand_as(values)), "value": values.mean()}


def _step_policy(model: TD3, batch: Transitions, state: State) -> dict[str, Tensor]:
    """What the first critic thinks of what the policy does."""
    return {"loss": -model(batch.observations, model.act(batch.observations))[:, 0].mean()}


def _policy_lr(config: Any) -> float:
    return float(config.td3.policy_lr)


def _delay(config: Any) -> int:
    return int(config.td3.delay)


_TURN: Final = Turn(part="critics", step=_step_critics, times=_delay)
_CRITICS: Final = in_turns(_TURN)
_BOTH: Final = in_turns(_TURN, Turn(part="policy", step=_step_policy, lr=_policy_lr))
