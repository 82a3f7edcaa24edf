"""How sure a mean is."""

import math
from typing import Final

from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["confidence_interval"]

_NORMAL: Final = 1.96  # 95 % of a normal distribution lie within so many deviations


def confidence_interval(values: Float[Tensor, " problems *metric"]) -> tuple[Tensor, Tensor]:
    """Mean over problems, and half the width of its 95 % interval, as few-shot learning reports them.

    Args:
        values: one row for each problem, drawn independently.

    Shape:
        ``(problems, *metric)`` -> two of ``(*metric)``, in double precision.

    Raises:
        ConfigError: fewer than two problems.
    """
    if len(values) < 2:
        raise ConfigError(f"confidence_interval: expected 2 problems or more, got {len(values)}.")
    values = values.double()
    return values.mean(0), _NORMAL * values.std(0) / math.sqrt(len(values))
