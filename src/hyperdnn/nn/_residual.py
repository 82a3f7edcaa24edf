"""A branch around layers."""

from typing import final

from torch import Tensor, nn

__all__ = ["Residual"]


@final
class Residual(nn.Module):
    """Adds to the input what layers make of it: ``x + scale * layers(x)``.

    The scale keeps a deep stack from growing: branches that end in a linear layer start uncorrelated with their input,
    and ``depth ** -0.5`` holds the second moment below e times the input's. Those that end in a ReLU all push the same
    way, and need ``1 / depth``.

    Args:
        layers: run in turn; in the end as wide as at the start.
        scale: fixed weight of the branch.

    Shape:
        as the layers'.

    Source:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Hayou et al., "Stable ResNet", AISTATS
        2021 (the scale).
    """

    def __init__(self, *layers: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        change: Tensor = self.layers(input)
        return input + self.scale * change

    def extra_repr(self) -> str:
        """What ``print`` shows in the brackets."""
        return f"scale={self.scale:.3g}"
