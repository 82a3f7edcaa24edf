"""Linear programs over shares: ``max c x`` where ``A x >= b``, ``x >= 0`` and ``sum(x) = 1``."""

from typing import Any

import torch
from torch import Tensor

from hyperdnn.errors import MissingExtraError

__all__ = ["solve_in_many", "solve_in_two"]

_SLACK = 1e-9  # of constraints, for coefficients of size one


def solve_in_two(objective: Tensor, matrix: Tensor, lower: Tensor) -> Tensor:
    """Programs in two shares: each constraint cuts the segment between the corners, the best end of the rest is taken.

    Args:
        objective: ``(*contexts, 2)``.
        matrix: ``(*contexts, constraints, 2)``.
        lower: ``(*contexts, constraints)``; minus infinity for none.

    Returns:
        Shares ``(*contexts, 2)``, nan where there are none.
    """
    # x = (t, 1 - t): each row says  slope * t >= bound.
    slope = matrix[..., 0] - matrix[..., 1]
    bound = lower - matrix[..., 1] - _SLACK
    at = bound / torch.where(slope == 0, 1.0, slope)
    low = torch.where(slope > 0, at, 0.0).amax(-1).clamp_min(0)
    high = torch.where(slope < 0, at, 1.0).amin(-1).clamp_max(1)
    possible = (low <= high) & ((slope != 0) | (bound <= 0)).all(-1)
    best = torch.where(objective[..., 0] > objective[..., 1], high, low)
    best = torch.where(possible, best, torch.nan)
    return torch.stack([best, 1 - best], dim=-1)


def solve_in_many(objective: Tensor, matrix: Tensor, lower: Tensor) -> Tensor:
    """Programs in any number of shares, one after the other by scipy.

    Args:
        objective: ``(*contexts, shares)``.
        matrix: ``(*contexts, constraints, shares)``.
        lower: ``(*contexts, constraints)``; minus infinity for none.

    Returns:
        Shares ``(*contexts, shares)``, nan where there are none.
    """
    size = objective.shape[-1]
    rows = zip(
        objective.reshape(-1, size).cpu(),
        matrix.reshape(-1, *matrix.shape[-2:]).cpu(),
        lower.reshape(-1, lower.shape[-1]).cpu(),
        strict=True,
    )
    found = [_solve(*row) for row in rows]
    return torch.tensor(found, dtype=objective.dtype, device=objective.device).reshape(objective.shape)


def _solve(objective: Tensor, matrix: Tensor, lower: Tensor) -> list[float]:
    try:
        from scipy.optimize import linprog
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error  # which brings scipy
    kept, size = lower.isfinite(), len(objective)
    found: Any = linprog(
        -objective.numpy(),
        A_ub=-matrix[kept].numpy(),
        b_ub=(_SLACK - lower[kept]).numpy(),
        A_eq=[[1.0] * size],
        b_eq=[1.0],
        bounds=(0, 1),
    )
    return list(found.x) if found.success else [float("nan")] * size
