"""Burgers' equation for a range of viscosities, with its solutions."""

import math
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.encoders import ScaledVector
from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Batch

__all__ = ["Collocation", "Equations", "burgers", "burgers_solution"]

_TIMES: Final = (0.25, 0.5, 0.75, 1.0)  # at which solutions are measured
_PLACES: Final = 101
_MOMENTS: Final = 41  # of the solution that is shown
_NODES: Final = 401  # of the integral in a solution, whose error is then that of its arithmetic
_REACH: Final = 8.0  # deviations beyond the farthest place that a wave of height one comes from


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Collocation:
    """Where equations are asked to hold: points of the domain, for viscosities of a range, uniform by their logarithm.

    Args:
        viscosity: the lowest and the highest.
        points: for each equation.
        device: where they are needed.
    """

    viscosity: tuple[float, float]
    points: int
    device: torch.device | str = "cpu"

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """Some equations, each with points of its own; what is to be left of an equation there is zero.

        Returns:
            Viscosities ``(size, 1)`` as context, place and time ``(size, points, 2)``, and zeros ``(size, points)``.
        """
        viscosity = ScaledVector([self.viscosity], log=[0]).sample(size, generator=generator)
        unit = torch.rand(size, self.points, 2, generator=generator)
        inputs = unit * torch.tensor([2.0, 1.0]) - torch.tensor([1.0, 0.0])
        return Batch(context=viscosity, inputs=inputs, targets=torch.zeros(size, self.points)).to(self.device)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Equations:
    """A family of equations: where they are asked to hold, and some that are not learnt from, with their solutions.

    Args:
        train: what is learnt from, without solutions.
        validation: what settings are chosen on: context, inputs and targets as `Collocation` has them.
        test: what is reported.
        shown: one equation on a grid, time by time.
    """

    train: Collocation
    validation: Batch
    test: Batch
    shown: Batch

    def to(self, device: torch.device | str) -> "Equations":
        """The same family on another device."""
        parts = {name: getattr(self, name).to(device) for name in ("validation", "test", "shown")}
        return Equations(train=replace(self.train, device=device), **parts)


def burgers(viscosity: tuple[float, float], *, points: int) -> Equations:
    """Burgers' equation ``u_t + u u_x = nu u_xx`` for ``x`` in [-1, 1] and ``t`` in [0, 1].

    It begins as ``u(x, 0) = -sin(pi x)`` and stays zero at both ends: two waves that run into each other, and form a
    front that is the steeper, the lower the viscosity ``nu`` is. Nine viscosities from the lowest to the highest are to
    test, eight between them to validate, at four times and 101 places; the lowest one is shown at 41 times.

    Args:
        viscosity: the lowest and the highest.
        points: at which an equation is asked to hold, in one batch.

    Raises:
        ConfigError: viscosities that are not positive, or not in order.
    """
    if not 0 < viscosity[0] < viscosity[1] < math.inf:
        raise ConfigError(f"viscosity: expected two positive numbers, the lower one first, got {viscosity}.")
    low, high = map(math.log, viscosity)
    test = torch.linspace(low, high, 9, dtype=torch.float64).exp()
    times = torch.tensor(_TIMES, dtype=torch.float64)
    return Equations(
        train=Collocation(viscosity=viscosity, points=points),
        validation=_solved((test[1:] * test[:-1]).sqrt(), times),
        test=_solved(test, times),
        shown=_solved(test[:1], torch.linspace(0, 1, _MOMENTS, dtype=torch.float64)),
    )


def burgers_solution(points: Float[Tensor, "*any 2"], viscosity: Float[Tensor, "*#any"]) -> Float[Tensor, "*any"]:
    """The solution at places and times, by the transformation of Cole and Hopf; in double precision to ten digits.

    It is a mean of ``-sin(pi y)`` over places ``y`` around ``x``, normal with variance ``2 nu t``, weighted by
    ``exp(-cos(pi y) / (2 pi nu))``. Equal steps integrate that to the last digit, since it is smooth and falls to
    nothing on both sides.

    Args:
        points: place and time.
        viscosity: of each point, or of all.

    Source:
        Basdevant et al., "Spectral and finite difference solutions of the Burgers equation", Computers & Fluids 14,
        1986.
    """
    x, t = points.unsqueeze(-1).unbind(-2)
    nu = viscosity.unsqueeze(-1)
    reach = _REACH + (t / (2 * nu)).sqrt()
    steps = reach * torch.linspace(-1, 1, _NODES, dtype=points.dtype, device=points.device)
    y = math.pi * (x - (2 * nu * t).sqrt() * steps)
    weights = torch.softmax(-y.cos() / (2 * math.pi * nu) - steps.square() / 2, dim=-1)
    return -(weights * y.sin()).sum(-1)


def _solved(viscosity: Tensor, times: Tensor) -> Batch:
    places = torch.linspace(-1, 1, _PLACES, dtype=torch.float64)
    points = torch.cartesian_prod(times, places).flip(-1).expand(len(viscosity), -1, 2)
    solutions = burgers_solution(points, viscosity[:, None])
    return Batch(context=viscosity[:, None].float(), inputs=points.float(), targets=solutions.float())
