"""Weights that are there already, in one row."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["FlatHead"]


@final
class FlatHead(nn.Module):
    """Takes the features for the weights: cuts them into tensors and adds nothing.

    Has no parameters, so weights start as the body starts, and the density of features is that of the weights. For
    bodies that end in as many numbers as there are weights: `bodies.Flow`, or a generative model of flat networks.

    Args:
        layout: what to generate.

    Shape:
        features ``(*contexts, layout.numel)`` -> each weight ``(*contexts, *spec.shape)``.
    """

    slots = None

    def __init__(self, layout: ParamLayout) -> None:
        super().__init__()
        self.layout = layout
        self.hidden = layout.numel

    def forward(self, features: Float[Tensor, "*contexts numel"]) -> Weights:
        return self.layout.split(features)
