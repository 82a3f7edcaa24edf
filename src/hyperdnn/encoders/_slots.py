"""One row of features for each slot."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Slots"]


@final
class Slots(nn.Module):
    """Appends a learned slot embedding to the encoded context: chunk, layer or filter embeddings.

    Args:
        slots: how many; a head says it as ``head.slots``.
        features: width of an embedding.
        device: where to put them.
        dtype: their type.

    Shape:
        ``(*contexts, d)`` -> ``(*contexts, slots, d + features)``.

    Source:
        Ha, Dai & Le, "HyperNetworks", ICLR 2017, section 3.1 (layer embeddings); von Oswald et al., "Continual
        learning with hypernetworks", ICLR 2020, section 2 (chunk embeddings).
    """

    def __init__(
        self,
        slots: int,
        features: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.slots = slots
        self.features = features
        self.embeddings = nn.Parameter(torch.randn(slots, features, device=device, dtype=dtype))

    def forward(self, features: Float[Tensor, "*contexts d"]) -> Float[Tensor, "*contexts slots e"]:
        contexts = features.shape[:-1]
        rows = features.unsqueeze(-2).expand(*contexts, self.slots, features.shape[-1])
        return torch.cat([rows, self.embeddings.expand(*contexts, -1, -1)], dim=-1)
