"""Contexts that are many vectors, none of them summed up."""

from typing import final

from torch import Tensor, nn

from hyperdnn.encoders._masked import read_masked
from hyperdnn.typing import Context

__all__ = ["Tokens"]


@final
class Tokens(nn.Module):
    """Takes a set of vectors as it is, after checking it, for a body in which each slot reads them by itself.

    Goes with `bodies.CrossAttention`. For tokens that a module of yours makes (patches, words), declare on it
    ``features`` and ``tokens = True``.

    Args:
        features: width of a token.

    Shape:
        ``(*contexts, n, features)`` -> the same; a tuple of it and a mask ``(*contexts, n)`` that is true where there
        is a token -> the same, with zeros at masked places.

    Raises:
        ContextError: if a shape or type is wrong or a value is not finite.
    """

    tokens = True

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, context: Context) -> Tensor | tuple[Tensor, Tensor]:
        tokens, mask = read_masked(context, self.features, "Tokens")
        return tokens if mask is None else (tokens, mask)
