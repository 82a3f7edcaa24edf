"""A transformer in which slots read the tokens of their context."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.bodies._blocks import Factories, check_sizes, feed_forward, mix
from hyperdnn.bodies._needs_slots import check_slots
from hyperdnn.errors import ContextError
from hyperdnn.nn import CrossAttention as Read

__all__ = ["CrossAttention"]


@final
class CrossAttention(nn.Module):
    """Transformer over slots that read the tokens of their context: each generated part asks for what it needs.

    For contexts of many pieces (samples of a task, patches, words) where one vector would be too narrow. Goes with an
    encoder that gives tokens, as `encoders.Tokens`; slots are their embeddings alone. Blind to the order of tokens and
    of slots: a token carries its own place. The tokens' scale is kept, and should be near unit root mean square.

    Costs about ``layers * hidden * (14 * hidden + 2 * token_features)`` parameters, and time and memory that grow with
    slots times slots and slots times tokens.

    Args:
        features: width of a slot's row.
        token_features: width of a token.
        hidden: width of the output and of everything within; a multiple of ``heads``.
        layers: blocks of self-attention over slots, attention over tokens, and a feed-forward part of four times the
            width, each behind its norm.
        heads: attention maps of a block.
        dropout: share of each branch's numbers that are dropped in training.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        slots ``(*contexts, slots, features)``, tokens ``(*contexts, n, token_features)`` and a mask ``(*contexts, n)``
        that is true where there is a token -> ``(*contexts, slots, hidden)``, each row with unit variance at the start.
        What stands at masked places does not matter; a context without a token becomes weights of its own.

    Raises:
        ConfigError: if heads do not divide the width, or for features without slots.
        ContextError: if tokens or mask have another shape.

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.1 (the decoder); Jaegle et al.,
        "Perceiver", ICML 2021 (learned queries); Zhmoginov, Sandler & Vladymyrov, "HyperTransformer", ICML 2022
        (weights as queries over samples).
    """

    mixes_slots = True
    cross = True

    def __init__(
        self,
        features: int,
        token_features: int,
        hidden: int,
        *,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_sizes("CrossAttention", hidden, layers, heads)
        self.features = features
        self.token_features = token_features
        self.hidden = hidden
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.enter = nn.Linear(features, hidden, device=device, dtype=dtype)
        initial.fill_unit_(self.enter)
        scale, factories = (3 * layers) ** -0.5, (device, dtype)
        self.blocks = nn.ModuleList(
            _Block(hidden, token_features, heads, dropout, scale, factories) for _ in range(layers)
        )
        self.leave = nn.LayerNorm(hidden, device=device, dtype=dtype)

    def forward(
        self,
        slots: Float[Tensor, "*rows features"],
        tokens: Float[Tensor, "*tokens token_features"],
        mask: Bool[Tensor, "*present"] | None = None,
    ) -> Float[Tensor, "*rows hidden"]:
        check_slots(self, slots)
        self._check_tokens(slots, tokens, mask)
        rows = self.enter(slots)
        for block in self.blocks:
            rows = block(rows, tokens, mask)
        out: Tensor = self.leave(rows)
        return out

    def _check_tokens(self, slots: Tensor, tokens: Tensor, mask: Tensor | None) -> None:
        contexts = tuple(slots.shape[:-2])
        if tokens.ndim < 2 or tokens.shape[:-2] != contexts or tokens.shape[-1] != self.token_features:
            expected = f"({''.join(f'{size}, ' for size in contexts)}n, {self.token_features})"
            raise ContextError(f"CrossAttention: expected tokens {expected}, got {tuple(tokens.shape)}.")
        if mask is not None and (mask.dtype != torch.bool or mask.shape != tokens.shape[:-1]):
            raise ContextError(
                f"CrossAttention: expected a boolean mask {tuple(tokens.shape[:-1])}, true where there is a token, got "
                f"{mask.dtype} {tuple(mask.shape)}."
            )


@final
class _Block(nn.Module):
    """Slots look at each other, then at the tokens, then each is by itself."""

    def __init__(
        self, hidden: int, token_features: int, heads: int, dropout: float, scale: float, factories: Factories
    ) -> None:
        super().__init__()
        device, dtype = factories
        self.scale = scale
        self.mix = mix(hidden, heads, dropout, scale, factories)
        self.norm = nn.LayerNorm(hidden, device=device, dtype=dtype)
        self.read = Read(hidden, token_features, heads, device=device, dtype=dtype)
        self.drop = nn.Dropout(dropout) if dropout else nn.Identity()
        self.widen = feed_forward(hidden, dropout, scale, factories)

    def forward(self, rows: Tensor, tokens: Tensor, mask: Tensor | None) -> Tensor:
        rows = self.mix(rows)
        rows = rows + self.scale * self.drop(self.read(self.norm(rows), tokens, mask))
        out: Tensor = self.widen(rows)
        return out
