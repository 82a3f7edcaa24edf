"""Context vectors whose magnitude does not show."""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._ranges import Ranges

__all__ = ["QuarterCircle"]


@final
class QuarterCircle(nn.Module):
    """Brings each coordinate from its range to a place on a quarter of a circle: hyperparameters, strengths.

    A ReLU or linear body without offsets makes of twice the context twice the features: with ``normalize=False`` the
    generated weights are then twice as large. Heads that normalise, as all do by default, keep of such a context only
    its direction: all positive values of a single number start with the very same weights, zero with the head's offsets
    alone, and the gradient of the body's offsets, which must tell them apart, grows as the inverse of the context. On a
    circle all contexts are equally long, none is zero, and each has a direction of its own. An `MLP` has offsets from
    the start, and needs a circle less.

    The second half of the method is to generate a change of weights that are trained along with it:
    ``Target(net, combine=targets.Residual(), train_base=True)``.

    Inside ``torch.compile`` and ``torch.vmap`` values cannot be read, and one outside of its range passes unnoticed.

    Args:
        ranges: lowest and highest value of each coordinate.
        log: which coordinates are scaled by their logarithm first, by position.
        device: where samples are drawn; follows the module.
        dtype: their type.

    Shape:
        ``(*contexts, n)`` -> ``(*contexts, 2 * n)``: all cosines, then all sines, times ``sqrt(2)``, so that each row
        has unit root mean square.

    Raises:
        ConfigError: if a range is empty, or a logarithmic one is not positive.
        ContextError: if the width is wrong, or a value is not finite or outside of its range.

    Source:
        Gonzalez Ortiz, Guttag & Dalca, "Magnitude Invariant Parametrizations Improve Hypernetwork Learning", ICLR 2024
        (there without the factor).
    """

    like: Tensor

    def __init__(
        self,
        ranges: Sequence[Sequence[float]],
        *,
        log: Sequence[int] = (),
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._ranges = Ranges("QuarterCircle", ranges, log)
        self.ranges = self._ranges.pairs
        self.log = self._ranges.log
        self.features = 2 * len(self.ranges)
        # Remembers device and type through .to(); holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def sample(self, *sizes: int, generator: torch.Generator | None = None) -> Float[Tensor, "*contexts n"]:
        """Draw contexts ``(*sizes, n)``, uniform along the circle: log-uniform where the scale is."""
        return self._ranges.sample(sizes, self.like, generator)

    def forward(self, context: Float[Tensor, "*contexts n"]) -> Float[Tensor, "*contexts features"]:
        angles = (self._ranges.scale(context) + 1) * (math.pi / 4)
        return (2**0.5 * torch.cat([angles.cos(), angles.sin()], dim=-1)).to(context.dtype)
