"""One row of features for each slot."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.errors import ConfigError

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

    def grow(self, slots: int = 1, *, at: int | None = None) -> range:
        """Add slots, behind the others or before slot ``at``, and return their indices.

        Old embeddings keep their values, new ones are drawn as at the start. Together they are a new parameter, which
        an optimiser does not know: `HyperDNN.resize` adds slots where a head wants them and tells it.

        Raises:
            ConfigError: if fewer than one is asked for, or there is no such place.
        """
        at = self.slots if at is None else at
        if slots < 1 or not 0 <= at <= self.slots:
            raise ConfigError(
                f"grow({slots}, at={at}): expected at least one slot, and a place from 0 to {self.slots}."
            )
        old = self.embeddings.detach()
        fresh = torch.randn(slots, self.features, device=old.device, dtype=old.dtype)
        rows = torch.cat([old[:at], fresh, old[at:]])
        grown = nn.Parameter(rows, requires_grad=self.embeddings.requires_grad)
        vars(grown).update(vars(self.embeddings))  # what others noted on them
        self.embeddings = grown
        self.slots += slots
        return range(at, at + slots)

    def forward(self, features: Float[Tensor, "*contexts d"]) -> Float[Tensor, "*contexts slots e"]:
        contexts = features.shape[:-1]
        rows = features.unsqueeze(-2).expand(*contexts, self.slots, features.shape[-1])
        return torch.cat([rows, self.embeddings.expand(*contexts, -1, -1)], dim=-1)
