"""An embedding that runs with weights from outside, for one context and for many."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import is_mapped, unmapped

__all__ = ["Lookup"]


@final
class Lookup(nn.Module):
    """A torch ``Embedding`` that means the same under ``torch.vmap`` as outside.

    Torch's batching rule lays the tables of all contexts end to end. There an index beyond one table silently reads the
    next one, and the padding row of all but the first gets a gradient. This layer checks and masks by itself.

    Args:
        layer: the layer to take over; `restore` builds it again.

    Shape:
        indices ``(...)`` -> ``(..., embedding_dim)``.

    Raises:
        IndexError: if an index is beyond the table, as torch does.
    """

    weight: Tensor

    def __init__(self, layer: nn.Embedding) -> None:
        super().__init__()
        self.num_embeddings = layer.num_embeddings
        self.embedding_dim = layer.embedding_dim
        self.padding_idx = layer.padding_idx
        self.max_norm = layer.max_norm
        self.norm_type = layer.norm_type
        self.scale_grad_by_freq = layer.scale_grad_by_freq
        self.sparse = layer.sparse
        self.training = layer.training
        for name, parameter in layer.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def restore(self) -> nn.Embedding:
        """Torch's own layer with the same settings and fresh parameters."""
        return nn.Embedding(self.num_embeddings, self.embedding_dim, *self._options())

    def forward(self, input: Tensor) -> Tensor:
        if not is_mapped(input, self.weight):
            return F.embedding(input, self.weight, *self._options())
        if not torch.compiler.is_compiling():
            self._check(unmapped(input))
        weight: Tensor = self.weight
        if self.padding_idx is not None:
            row = torch.arange(self.num_embeddings, device=weight.device) == self.padding_idx
            weight = torch.where(row.unsqueeze(1), weight.detach(), weight)
        return F.embedding(input, weight)

    def _check(self, indices: Tensor) -> None:
        # On an accelerator reading the values would wait for it; torch's kernels there do not read them either.
        if indices.numel() == 0 or indices.device.type != "cpu":
            return
        low, high = indices.aminmax()
        if not 0 <= int(low) <= int(high) < self.num_embeddings:
            raise IndexError(
                f"index out of range: expected 0 to {self.num_embeddings - 1}, got {int(low)} to {int(high)}."
            )

    def _options(self) -> tuple[int | None, float | None, float, bool, bool]:
        return self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
