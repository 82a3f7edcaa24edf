"""A transformer over slots."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.bodies._blocks import check_sizes, feed_forward, mix
from hyperdnn.bodies._needs_slots import check_slots

__all__ = ["Attention"]


@final
class Attention(nn.Module):
    """Transformer over slots: every slot sees all others, so that the generated layers can agree with each other.

    Needs slots: without them several contexts would be taken for the slots of one. Blind to the order of slots, which
    their embeddings tell. Costs about ``12 * layers * hidden**2`` parameters, and time and memory that grow with the
    square of the number of slots: for layers, not for thousands of chunks.

    Args:
        features: width of the input.
        hidden: width of the output and of everything within; a multiple of ``heads``.
        layers: blocks of self-attention and a feed-forward part of four times the width, each behind its norm.
        heads: attention maps of a block.
        dropout: share of each branch's numbers that are dropped in training.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, slots, features)`` -> ``(*contexts, slots, hidden)``, each row with unit variance at the start.

    Raises:
        ConfigError: if heads do not divide the width, or for features without slots.

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017; Xiong et al., "On Layer Normalization in the
        Transformer Architecture", ICML 2020 (norms first); Zhmoginov, Sandler & Vladymyrov, "HyperTransformer",
        ICML 2022 (weights from a transformer).
    """

    mixes_slots = True

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_sizes("Attention", hidden, layers, heads)
        self.features = features
        self.hidden = hidden
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        enter = nn.Linear(features, hidden, device=device, dtype=dtype)
        initial.fill_unit_(enter)
        scale, factories = (2 * layers) ** -0.5, (device, dtype)
        blocks = [
            block
            for _ in range(layers)
            for block in (
                mix(hidden, heads, dropout, scale, factories),
                feed_forward(hidden, dropout, scale, factories),
            )
        ]
        self.blocks = nn.Sequential(enter, *blocks, nn.LayerNorm(hidden, device=device, dtype=dtype))

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        check_slots(self, features)
        out: Tensor = self.blocks(features)
        return out
