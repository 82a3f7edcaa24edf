"""Rows that read tokens."""

from typing import final

import torch
from torch import Tensor, nn

__all__ = ["CrossAttention"]


@final
class CrossAttention(nn.Module):
    """Multi-head attention of rows over the tokens of their context, for any number of context dimensions.

    In plain tensor operations, as `SelfAttention`. Where a context has no token at all, every row gets the same learned
    offset.

    Args:
        hidden: width of a row; a multiple of ``heads``.
        token_features: width of a token.
        heads: how many attention maps.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        rows ``(*contexts, rows, hidden)``, tokens ``(*contexts, n, token_features)`` and a mask ``(*contexts, n)`` that
        is true where there is a token -> ``(*contexts, rows, hidden)``. What stands at masked places does not matter.

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.
    """

    def __init__(
        self,
        hidden: int,
        token_features: int,
        heads: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads = heads
        # No bias on the way in: the softmax does not see that of the keys, and that of the values is the one behind.
        self.ask = nn.Linear(hidden, hidden, bias=False, device=device, dtype=dtype)
        self.answer = nn.Linear(token_features, 2 * hidden, bias=False, device=device, dtype=dtype)
        self.join = nn.Linear(hidden, hidden, device=device, dtype=dtype)
        for linear in (self.ask, self.answer, self.join):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
        nn.init.zeros_(self.join.bias)

    def forward(self, rows: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            tokens = tokens.masked_fill(~mask.unsqueeze(-1), 0.0)  # a share of zero would not silence a NaN
        parts = (self.ask(rows), *self.answer(tokens).chunk(2, dim=-1))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for part in parts)
        scores = query @ key.mT * query.shape[-1] ** -0.5
        if mask is None:
            shares = scores.softmax(-1)
        else:
            # Not minus infinity: in a context without tokens the softmax and its derivative would be NaN.
            absent = ~mask[..., None, None, :]
            shares = scores.masked_fill(absent, torch.finfo(scores.dtype).min).softmax(-1).masked_fill(absent, 0.0)
        out: Tensor = self.join((shares @ value).transpose(-2, -3).flatten(-2))
        return out
