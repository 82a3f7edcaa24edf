"""Rows that look at each other."""

from typing import final

import torch
from torch import Tensor, nn

__all__ = ["SelfAttention"]


@final
class SelfAttention(nn.Module):
    """Multi-head self-attention over the rows of each context, for any number of context dimensions.

    In plain tensor operations: torch's fused kernels have neither a batching rule for ``torch.vmap`` nor a second
    derivative, and up to a hundred rows they are no faster.

    Args:
        hidden: width of a row; a multiple of ``heads``.
        heads: how many attention maps.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, rows, hidden)`` -> the same.

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.
    """

    def __init__(
        self,
        hidden: int,
        heads: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads = heads
        # No bias on the way in: that of the keys would never get a gradient, the softmax does not see it.
        self.project = nn.Linear(hidden, 3 * hidden, bias=False, device=device, dtype=dtype)
        self.join = nn.Linear(hidden, hidden, device=device, dtype=dtype)
        for linear in (self.project, self.join):
            nn.init.normal_(linear.weight, std=hidden**-0.5)
        nn.init.zeros_(self.join.bias)

    def forward(self, input: Tensor) -> Tensor:
        parts = self.project(input).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for part in parts)
        scores = query @ key.mT * query.shape[-1] ** -0.5
        mixed = scores.softmax(-1) @ value
        out: Tensor = self.join(mixed.transpose(-2, -3).flatten(-2))
        return out
