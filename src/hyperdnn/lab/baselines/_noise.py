"""A network that knows how noisy its targets are."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["WithNoise"]


@final
class WithNoise(nn.Module):
    """A regression network with one deviation of the noise, learned and the same for all inputs.

    Args:
        net: gives the mean, ``(samples, 1)``.

    Shape:
        the network's input -> mean and log-deviation side by side, ``(samples, 2)``, for `losses.gaussian_nll`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        like = next(net.parameters())
        self.log_scale = nn.Parameter(torch.zeros(1, device=like.device, dtype=like.dtype))

    def forward(self, input: Tensor) -> Float[Tensor, "*samples two"]:
        mean: Tensor = self.net(input)
        return torch.cat([mean, self.log_scale.expand_as(mean)], dim=-1)
