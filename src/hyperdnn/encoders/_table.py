"""One learned embedding for each context of a fixed, growing list."""

from collections.abc import Iterable
from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import is_mapped, unmapped
from hyperdnn.errors import ContextError

__all__ = ["Table"]


@final
class Table(nn.Module):
    """Looks up a learned embedding by index: a task, a user, a client.

    Each row is a parameter of its own and only the rows that a call reads take part in it. The others get no gradient,
    not even a zero one, so momentum and weight decay leave them bit-equal. Inside ``torch.compile`` and ``torch.vmap``
    the indices cannot be read, every row takes part, and only `freeze` protects a row.

    Args:
        contexts: how many rows.
        features: width of a row.
        std: standard deviation of new rows.
        device: where to put the rows.
        dtype: their type.

    Shape:
        indices ``(*contexts)`` -> ``(*contexts, features)``.

    Raises:
        ContextError: if an index is not an integer, or beyond the table.
    """

    like: Tensor

    def __init__(
        self,
        contexts: int,
        features: int,
        *,
        std: float = 1.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.std = std
        # Remembers device and type through .to(), also of a table without rows; holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)
        self.rows = nn.ParameterList(self._new(device, dtype) for _ in range(contexts))

    @property
    def contexts(self) -> int:
        """How many rows there are now."""
        return len(self.rows)

    def grow(self, contexts: int = 1) -> range:
        """Add rows and return their indices. Old rows stay the same parameters, so an optimiser keeps their state."""
        start = len(self.rows)
        for _ in range(contexts):
            self.rows.append(self._new(self.like.device, self.like.dtype))
        return range(start, start + contexts)

    def freeze(self, indices: Iterable[int]) -> None:
        """Stop training some rows, now: a gradient that waits for the optimiser is dropped."""
        for index in indices:
            row = self.rows[self._known(index)]
            row.requires_grad_(False)
            row.grad = None

    def unfreeze(self, indices: Iterable[int]) -> None:
        """Train some rows again."""
        for index in indices:
            self.rows[self._known(index)].requires_grad_(True)

    def forward(self, context: Integer[Tensor, "*contexts"]) -> Float[Tensor, "*contexts features"]:
        if not isinstance(context, Tensor):
            raise ContextError(f"Table takes a tensor of indices, got {context!r}: write torch.tensor({context!r}).")
        if context.is_floating_point() or context.is_complex() or context.dtype == torch.bool:
            raise ContextError(f"Table takes integer indices, got {context.dtype}. For vectors use encoders.Vector.")
        if context.layout is not torch.strided or context.is_meta != self.like.is_meta:
            kind = f"{context.layout} on {context.device}"
            raise ContextError(f"Table takes dense indices on a device with values, got {kind}.")
        if torch.compiler.is_compiling() or is_mapped(context):
            if not torch.compiler.is_compiling():
                for index in torch.unique(unmapped(context)).tolist():
                    self._known(index)
            return F.embedding(context.long(), torch.stack(list(self.rows)))
        used, inverse = torch.unique(context, return_inverse=True)
        rows = [self.rows[self._known(index)] for index in used.tolist()]
        if not rows:
            return self.like.new_zeros(*context.shape, self.features)
        return torch.stack(rows)[inverse]

    def _known(self, index: int) -> int:
        if not 0 <= index < len(self.rows):
            raise ContextError(
                f"index {index} is beyond the table of {len(self.rows)} contexts (0 to {len(self.rows) - 1}). "
                "Add rows with grow()."
            )
        return index

    def _new(self, device: torch.device | None, dtype: torch.dtype | None) -> nn.Parameter:
        return nn.Parameter(torch.randn(self.features, device=device, dtype=dtype) * self.std)
