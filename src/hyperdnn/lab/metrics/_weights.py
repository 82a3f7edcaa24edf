"""Whether several networks have weights of their own."""

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.typing import Weights

__all__ = ["weight_spread"]


@torch.no_grad()
def weight_spread(weights: Weights) -> Float[Tensor, ""]:
    """How much networks differ, relative to the size of their weights: 0 if they are one, about 1 if unrelated.

    Of each tensor the root of the mean variance over networks, over its root mean square; the mean over tensors, in
    which a tensor of zeros counts 0. Cheap enough to be logged by a step: a generator that collapses shows it here
    first.

    Args:
        weights: of two networks or more, name -> ``(networks, *shape)``.
    """
    sizes = [(w.var(0).mean().sqrt(), w.square().mean().sqrt()) for w in weights.values()]
    return torch.stack([deviation / size.clamp_min(torch.finfo(size.dtype).tiny) for deviation, size in sizes]).mean()
