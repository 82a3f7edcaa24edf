"""The weights that a loss looks at."""

from torch import Tensor

from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["flat", "picked"]


def picked(weights: Weights, layout: ParamLayout) -> Weights:
    """The tensors that stand in the layout."""
    return {name: weights[name] for name in layout.names if name in weights}


def flat(weights: Weights, layout: ParamLayout) -> Tensor:
    """All numbers of the layout's tensors: ``(*contexts, numel)``.

    Raises:
        LayoutError: if one of them is missing or of the wrong shape.
    """
    return layout.join(picked(weights, layout))
