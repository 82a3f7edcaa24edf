"""Gradients from elsewhere."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hyperdnn.errors import LayoutError, nearest

__all__ = ["hypernet_vjp"]


def hypernet_vjp(weights: Mapping[str, Tensor], vectors: Mapping[str, Tensor]) -> None:
    """Carry a vector for each generated weight back into the hypernet: one vector-Jacobian product.

    What arrives is accumulated into ``.grad``. With ``vectors = generated - trained``, where a client has trained the
    generated weights on, an optimiser step moves the hypernet towards generating the trained ones.

    Args:
        weights: freshly generated, so that their graph still exists.
        vectors: one for each of them, of its shape.

    Raises:
        LayoutError: if names or shapes differ, or the weights have no graph.

    Source:
        Shamsian et al., "Personalized Federated Learning using Hypernetworks", ICML 2021, section 3.2.
    """
    if weights.keys() != vectors.keys():
        odd = min(weights.keys() ^ vectors.keys())
        other = weights if odd in vectors else vectors
        raise LayoutError(f"'{odd}' is only in one of weights and vectors.{nearest(odd, other.keys() - {odd})}")
    for name, weight in weights.items():
        if weight.shape != vectors[name].shape:
            raise LayoutError(f"'{name}': expected a vector {tuple(weight.shape)}, got {tuple(vectors[name].shape)}.")
        if not weight.requires_grad:
            raise LayoutError(f"'{name}' has no graph: generate the weights anew, outside torch.no_grad().")
    torch.autograd.backward(list(weights.values()), [vectors[name].to(w.dtype) for name, w in weights.items()])
