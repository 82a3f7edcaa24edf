"""Contexts that are vectors already."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_vector

__all__ = ["Vector"]


@final
class Vector(nn.Module):
    """Takes the context vector as it is, after checking it: preferences, hyperparameters, coordinates, measurements.

    Args:
        features: width of the vector.

    Shape:
        ``(*contexts, features)`` -> the same.

    Raises:
        ContextError: if the width is wrong or a value is not finite.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.features, "Vector")
        return context
