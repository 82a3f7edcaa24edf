"""What is measured at one context."""

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor

from hyperdnn.typing import Weights

__all__ = ["Look", "difference"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """One context, the weights that are generated for it, and what their network does.

    Args:
        row: the context's coordinates ``(d,)``.
        weights: generated.
        broken: how many of them are not finite.
        nearest: number of the nearest known context.
        distance: to it, between coordinates.
        in_contexts: place on the map of contexts.
        in_weights: place on the map of generated weights.
        outputs: for each probe, None where the network could not be run.
        losses: for each probe, nan where there is none.
        trouble: why the network could not be run, in words.
    """

    row: Tensor
    weights: Weights
    broken: int
    nearest: int
    distance: float
    in_contexts: tuple[float, float]
    in_weights: tuple[float, float]
    outputs: tuple[Tensor | None, ...]
    losses: tuple[float, ...]
    trouble: str

    @property
    def norm(self) -> float:
        """Of all generated weights together."""
        return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in self.weights.values()))


def difference(one: Look, other: Look) -> float:
    """Root mean square of the difference of two contexts' weights."""
    squares = sum(float((one.weights[n] - other.weights[n]).double().square().sum()) for n in one.weights)
    return math.sqrt(squares / max(sum(tensor.numel() for tensor in one.weights.values()), 1))
