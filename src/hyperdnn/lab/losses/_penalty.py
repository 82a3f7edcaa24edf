"""What is asked of generated weights as such, whatever the target does with them."""

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses._flat import flat, picked
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["orthogonality", "squared_norm"]


def squared_norm(weights: Weights, layout: ParamLayout) -> Tensor:
    """Sum of squares of generated weights: weight decay for a target that has no weights of its own.

    An optimiser's weight decay shrinks the hypernet's parameters, which says little about what they generate.

    Args:
        weights: generated.
        layout: which of them: ``target.layout``, or a part, ``target.layout.select("*.weight")``.

    Shape:
        each weight ``(*contexts, *shape)`` -> ``(*contexts,)``.

    Raises:
        LayoutError: if a tensor is missing.
    """
    return flat(weights, layout).square().sum(-1)


def orthogonality(weights: Weights, layout: ParamLayout) -> Tensor:
    """How far generated matrices are from having orthonormal rows, or columns if these are fewer.

    The squared Frobenius norm of ``W W^T - I`` (of ``W^T W - I`` for a tall matrix), summed over matrices. A tensor of
    more than two dimensions counts as the matrix ``(shape[0], rest)``; vectors do not count.

    Args:
        weights: generated.
        layout: which of them, as for `squared_norm`.

    Shape:
        each weight ``(*contexts, *shape)`` -> ``(*contexts,)``.

    Raises:
        ConfigError: if there is no matrix among them.
        LayoutError: if a tensor is missing.

    Source:
        Bansal, Chen & Wang, "Can We Gain More from Orthogonality Regularizations in Training Deep Networks?", NeurIPS
        2018, section 3.1, on the smaller side of each matrix.
    """
    contexts = layout.check(picked(weights, layout))
    matrices = [spec for spec in layout if len(spec.shape) > 1]
    if not matrices:
        raise ConfigError(f"orthogonality: no matrix among {', '.join(repr(name) for name in layout.names[:8])}.")
    return torch.stack(
        [
            _distance(weights[spec.name].reshape(*contexts, spec.shape[0], spec.numel // max(spec.shape[0], 1)))
            for spec in matrices
        ]
    ).sum(0)


def _distance(matrix: Tensor) -> Tensor:
    rows = matrix if matrix.shape[-2] <= matrix.shape[-1] else matrix.mT
    gram = rows @ rows.mT
    return (gram - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)).square().sum((-2, -1))
