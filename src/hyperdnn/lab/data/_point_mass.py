"""A linear system with quadratic cost, whose best policy and values are known."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._environment import Environment, measured

__all__ = ["LinearQuadratic", "point_mass"]

_STEP: Final = 0.01  # seconds between two actions: little depends on any of them, as in simulated robots
_COST: Final = 0.2  # of a distance of one, so that values are about one
_EFFORT: Final = 0.02  # of an action of length one
_START: Final = 0.3  # deviation of places and velocities at the beginning: the best actions stay inside [-1, 1]
_LENGTH: Final = 20  # steps of an episode
_PRECISION: Final = 1e-12


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LinearQuadratic:
    """``s' = A s + B a`` with reward ``-(s^T Q s + a^T R a)``, without end, and what the best policy makes of it.

    Args:
        a: ``(states, states)``; all of them in double precision.
        b: ``(states, actions)``.
        q: ``(states, states)``, symmetric and not negative.
        r: ``(actions, actions)``, symmetric and positive.
        discount: of the next step's reward, below 1.
    """

    a: Tensor
    b: Tensor
    q: Tensor
    r: Tensor
    discount: float

    @cached_property
    def cost(self) -> Tensor:
        """``P``, with ``-s^T P s`` the value of a state: the fixed point of Riccati's equation."""
        cost = self.q
        while True:
            closed = self.a - self.b @ self._gain(cost)
            following = self.q + self.discount * self.a.T @ cost @ closed
            if bool((following - cost).abs().max() <= _PRECISION * following.abs().max()):
                return following
            cost = following

    @cached_property
    def gain(self) -> Tensor:
        """``K``: the best action is ``-K s``."""
        return self._gain(self.cost)

    def following(self, states: Tensor, actions: Tensor) -> Tensor:
        """What states become."""
        return states @ self.a.T.to(states) + actions @ self.b.T.to(states)

    def reward(self, states: Tensor, actions: Tensor) -> Tensor:
        """What a step is worth."""
        return -_form(self.q, states) - _form(self.r, actions)

    def value(self, states: Tensor, actions: Tensor) -> Tensor:
        """What an action is worth if the best ones follow: ``Q*``."""
        return self.reward(states, actions) - self.discount * _form(self.cost, self.following(states, actions))

    def action_gradient(self, states: Tensor, actions: Tensor) -> Tensor:
        """The gradient of `value` with respect to the action."""
        return -2 * (actions @ self.curvature.to(actions) + states @ (self.curvature @ self.gain).T.to(states))

    def optimum(self, states: Tensor) -> Tensor:
        """The best actions."""
        return -states @ self.gain.T.to(states)

    @cached_property
    def curvature(self) -> Tensor:
        """``R + discount B^T P B``: how fast an action's value falls around the best one."""
        return self._curvature(self.cost)

    def _curvature(self, cost: Tensor) -> Tensor:
        return self.r + self.discount * self.b.T @ cost @ self.b

    def _gain(self, cost: Tensor) -> Tensor:
        gain: Tensor = torch.linalg.solve(self._curvature(cost), self.discount * self.b.T @ cost @ self.a)
        return gain


def point_mass(discount: float, *, episodes: int = 10, reference: tuple[float, float] = (0.0, 1.0)) -> Environment:
    """A mass in the plane that is to be brought to rest at the origin: four numbers are seen, two accelerations chosen.

    The cost is quadratic and the system linear, so the best policy and the values of all actions are known. An episode
    is cut off, but never terminates.

    Args:
        discount: of the rewards, for which the best policy is the best.
        episodes: how many are played to measure a policy.
        reference: the returns that score 0 and 1.

    Raises:
        ConfigError: a discount outside of (0, 1).
    """
    if not 0 < discount < 1:
        raise ConfigError(f"discount: expected more than 0 and less than 1, got {discount}.")
    system = _system(discount)
    return Environment(
        name="point mass",
        scale=torch.full((4,), _START),
        reference=reference,
        optimum=system.optimum,
        action_gradient=system.action_gradient,
        **measured(partial(_World, system), 2, episodes),
    )


def _system(discount: float) -> LinearQuadratic:
    plane = torch.eye(2, dtype=torch.float64)
    move = torch.tensor([[1.0, _STEP], [0.0, 1.0]], dtype=torch.float64)
    push = torch.tensor([[_STEP**2 / 2], [_STEP]], dtype=torch.float64)
    place = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    return LinearQuadratic(
        a=torch.kron(move, plane),
        b=torch.kron(push, plane),
        q=_COST * torch.kron(place, plane),
        r=_EFFORT * plane,
        discount=discount,
    )


@final
class _World:
    """Episodes of a linear system."""

    def __init__(self, system: LinearQuadratic) -> None:
        self.system = system
        self.state = torch.zeros(len(system.a), dtype=torch.float64)
        self.steps = 0

    def reset(self, *, seed: int) -> tuple[Tensor, None]:
        generator = torch.Generator().manual_seed(seed)
        self.state = _START * torch.randn(len(self.system.a), generator=generator, dtype=torch.float64)
        self.steps = 0
        return self.state, None

    def step(self, action: Any) -> tuple[Tensor, Tensor, bool, bool, None]:
        given = torch.as_tensor(action, dtype=torch.float64)
        reward = self.system.reward(self.state, given)
        self.state = self.system.following(self.state, given)
        self.steps += 1
        return self.state, reward, False, self.steps >= _LENGTH, None


def _form(matrix: Tensor, rows: Tensor) -> Tensor:
    return ((rows @ matrix.to(rows)) * rows).sum(-1)
