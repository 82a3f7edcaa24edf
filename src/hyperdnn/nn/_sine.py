"""Networks of sines, and how they start."""

from typing import final

from torch import Tensor, nn

__all__ = ["Sine", "siren_"]


@final
class Sine(nn.Module):
    """The activation ``sin(w0 * x)``. Needs layers that start as `siren_` says: others give it noise.

    Args:
        w0: frequency.

    Shape:
        ``(...)`` -> the same.

    Source:
        Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions", NeurIPS 2020.
    """

    def __init__(self, w0: float = 30.0) -> None:
        super().__init__()
        self.w0 = w0

    def forward(self, input: Tensor) -> Tensor:
        return (self.w0 * input).sin()

    def extra_repr(self) -> str:
        """What ``print`` shows in the brackets."""
        return f"w0={self.w0}"


def siren_(linear: nn.Linear, w0: float, *, first: bool) -> None:
    """Start a layer before a `Sine` so that every layer's ``w0 * x`` has unit variance, except the first one's.

    The first layer's is up to ``w0`` on inputs between -1 and 1: it sets the band of frequencies. Biases stay as torch
    draws them.

    Args:
        linear: the layer.
        w0: frequency of its activation.
        first: whether it takes the network's input.

    Source:
        Sitzmann et al., NeurIPS 2020, section 3.2 and supplement 1.5.
    """
    bound = 1 / linear.in_features if first else (6 / linear.in_features) ** 0.5 / w0
    nn.init.uniform_(linear.weight, -bound, bound)
