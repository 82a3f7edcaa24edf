"""Context vectors whose coordinates have ranges."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._ranges import Ranges

__all__ = ["ScaledVector"]


@final
class ScaledVector(nn.Module):
    """Brings each coordinate of a context vector from its range to [-1, 1]: hyperparameters, physical constants.

    Coordinates that span orders of magnitude (a learning rate, a penalty) are scaled by their logarithm. Inside
    ``torch.compile`` and ``torch.vmap`` values cannot be read, and one outside of its range passes unnoticed.

    Args:
        ranges: lowest and highest value of each coordinate.
        log: which coordinates are scaled by their logarithm, by position.
        device: where samples are drawn; follows the module.
        dtype: their type.

    Shape:
        ``(*contexts, len(ranges))`` -> the same.

    Raises:
        ConfigError: if a range is empty, or a logarithmic one is not positive.
        ContextError: if the width is wrong, or a value is not finite or outside of its range.
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
        self._ranges = Ranges("ScaledVector", ranges, log)
        self.ranges = self._ranges.pairs
        self.log = self._ranges.log
        self.features = len(self.ranges)
        # Remembers device and type through .to(); holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def sample(self, *sizes: int, generator: torch.Generator | None = None) -> Float[Tensor, "*contexts features"]:
        """Draw contexts ``(*sizes, features)``, uniform in the scaled space: log-uniform where the scale is."""
        return self._ranges.sample(sizes, self.like, generator)

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        return self._ranges.scale(context).to(context.dtype)
