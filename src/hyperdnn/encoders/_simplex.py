"""Context vectors that share out one whole."""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn._torch import sample_dirichlet
from hyperdnn.encoders._finite import check_vector, is_readable
from hyperdnn.errors import ConfigError, ContextError

__all__ = ["Simplex"]

_LEAST = 0.01  # with less, draws underflow even in double precision


@final
class Simplex(nn.Module):
    """Takes a context vector of shares: non-negative and of sum one, as the preference among objectives.

    Draw them with `sample`, so that the caller decides when they are fresh. Inside ``torch.compile`` and
    ``torch.vmap`` values cannot be read, and a vector off the simplex passes unnoticed.

    Args:
        features: width of the vector, one share each.
        device: where samples are drawn; follows the module.
        dtype: their type.

    Shape:
        ``(*contexts, features)`` -> the same.

    Raises:
        ContextError: if the width is wrong, a share is negative or not finite, or their sum is not one.

    Source:
        Navon et al., "Learning the Pareto front with hypernetworks", ICLR 2021 (preferences drawn from a Dirichlet
        distribution).
    """

    like: Tensor

    def __init__(self, features: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.features = features
        # Remembers device and type through .to(); holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def sample(
        self, *sizes: int, alpha: float | Sequence[float] = 1.0, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*contexts features"]:
        """Draw contexts ``(*sizes, features)`` from a Dirichlet distribution.

        Args:
            sizes: the context dimensions.
            alpha: its concentration, one number or one for each share, 0.01 at least: 1 is uniform on the simplex,
                less favours its corners, more its middle.
            generator: decides the draw.

        Raises:
            ConfigError: if a concentration is below 0.01, or there is not one for each share.
        """
        alphas = list(alpha) if isinstance(alpha, Sequence) else [alpha] * self.features
        if len(alphas) != self.features or not all(_LEAST <= a < math.inf for a in alphas):
            raise ConfigError(f"alpha={alpha}: expected a number of {_LEAST} or more, or {self.features} of them.")
        # Small concentrations draw numbers too small for single precision, whose shares would all come out equal.
        concentration = torch.tensor(alphas, device=self.like.device, dtype=torch.float64)
        return sample_dirichlet(concentration.repeat(*sizes, 1), generator).to(self.like.dtype)

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.features, "Simplex")
        if is_readable(context):
            self._check(context)
        return context

    def _check(self, context: Tensor) -> None:
        negative = context < 0
        if bool(negative.any()):
            where = negative.nonzero()[0].tolist()
            raise ContextError(
                f"Simplex: the share at {where} is negative ({context[tuple(where)].item():g}). "
                "For vectors of any numbers use encoders.Vector."
            )
        sums = context.sum(-1, dtype=torch.promote_types(context.dtype, torch.float32))
        slack = max(1e-4, self.features * torch.finfo(context.dtype).eps)
        off = (sums - 1).abs() > slack
        if bool(off.any()):
            where = off.nonzero()[0].tolist()
            raise ContextError(
                f"Simplex: the shares{f' of context {where}' if where else ''} sum to {sums[tuple(where)].item():g}, "
                "expected 1. Divide them by their sum."
            )
