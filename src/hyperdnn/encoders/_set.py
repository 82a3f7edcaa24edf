"""Contexts that are sets: the samples of a task, the items of a user."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_like
from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.encoders._masked import read_masked
from hyperdnn.errors import ConfigError
from hyperdnn.typing import Context

__all__ = ["Set"]


@final
class Set(nn.Module):
    """Reads a set of vectors, in whatever order they come, and pools them by attention.

    Each element passes through the same two layers; one learned query for each attention head weighs them. A learned
    element belongs to every set: it is what an empty set becomes, and lets the features tell few elements from many.
    Costs ``n`` passes through the layers for a set of ``n``, and no products of pairs.

    Args:
        inputs: width of an element.
        features: width of the output.
        hidden: width of the layers.
        num_heads: attention heads; they divide ``hidden``.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, n, inputs)``, or a tuple of it and a mask ``(*contexts, n)`` that is true where there is an
        element -> ``(*contexts, features)``. What stands at masked places does not matter.

    Raises:
        ConfigError: if ``num_heads`` does not divide ``hidden``.
        ContextError: if a shape or type is wrong or a value is not finite.

    Source:
        Lee et al., "Set Transformer", ICML 2019, section 3.2 (pooling by attention, here with one query for each head).
    """

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        hidden: int = 64,
        num_heads: int = 4,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or hidden % num_heads:
            raise ConfigError(f"Set: num_heads={num_heads} does not divide hidden={hidden}.")
        self.inputs = inputs
        self.features = features
        self.hidden = hidden
        self.num_heads = num_heads
        enter = nn.Linear(inputs, hidden, device=device, dtype=dtype)
        leave = nn.Linear(hidden, hidden, device=device, dtype=dtype)
        self.layers = nn.Sequential(enter, nn.GELU(), leave)
        self.nothing = nn.Parameter(torch.randn(hidden, device=device, dtype=dtype))
        # Without a bias: one number added to all scores of a head changes nothing.
        self.queries = nn.Linear(hidden, num_heads, bias=False, device=device, dtype=dtype)
        self.out = nn.Linear(hidden, features, device=device, dtype=dtype)
        keep_scale_(enter, leave, self.out)

    def forward(self, context: Context) -> Float[Tensor, "*contexts features"]:
        elements, mask = read_masked(context, self.inputs, "Set")
        check_like(elements, self.nothing, "Set")
        contexts = elements.shape[:-2]
        rows = torch.cat([self.layers(elements), self.nothing.expand(*contexts, 1, self.hidden)], dim=-2)
        scores = self.queries(rows)
        if mask is not None:
            present = torch.cat([mask, mask.new_ones(*contexts, 1)], dim=-1)
            scores = scores.masked_fill(~present.unsqueeze(-1), float("-inf"))
        shares = scores.softmax(dim=-2)
        values = rows.reshape(*rows.shape[:-1], self.num_heads, self.hidden // self.num_heads)
        pooled: Tensor = (shares.unsqueeze(-1) * values).sum(-3).flatten(-2)
        out: Tensor = self.out(pooled)
        return out
