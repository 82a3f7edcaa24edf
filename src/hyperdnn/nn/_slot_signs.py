"""Fixed signs that keep slots apart."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn.nn._rows import Extension, kept_rows

__all__ = ["SlotSigns"]


@final
class SlotSigns(nn.Module):
    """Multiplies the features of each slot with its own fixed random signs.

    Slots share one output map. Their features leave a ReLU body nearly parallel, so the rows that they generate would
    start nearly parallel too: after ten layers of such filters the activations' second moment is a third of what it
    should be, and some contexts are dead. Under signs of their own they start independent, at no trained number.

    Args:
        slots: how many.
        hidden: width of the features.
        device: where to put the signs.

    Shape:
        ``(*contexts, slots, hidden)`` -> the same.
    """

    signs: Tensor

    def __init__(self, slots: int, hidden: int, *, device: torch.device | None = None) -> None:
        super().__init__()
        # int8: for a head with a slot for each filter this is the largest buffer.
        self.register_buffer("signs", _random_signs(slots, hidden, device))

    def extend(self, extensions: Sequence[Extension]) -> None:
        """Draw signs for new slots; old slots keep theirs."""
        old = self.signs
        new = _random_signs(len(old) + sum(more.added for more in extensions), old.shape[1], old.device)
        new[kept_rows(len(old), extensions, old.device)] = old
        self.signs = new

    def forward(self, features: Tensor) -> Tensor:
        return features * self.signs.to(features.dtype)


def _random_signs(slots: int, hidden: int, device: torch.device | None) -> Tensor:
    return torch.randint(0, 2, (slots, hidden), device=device, dtype=torch.int8) * 2 - 1
