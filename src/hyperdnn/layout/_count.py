"""How many numbers are trained, generated and deployed."""

from dataclasses import dataclass
from typing import final

from torch import nn

__all__ = ["Count", "count"]


@final
@dataclass(frozen=True, kw_only=True)
class Count:
    """Sizes of a HyperDNN, in numbers.

    Args:
        trained: parameters that require a gradient, hypernet and kept together.
        total: all parameters, frozen ones included.
        hypernet: parameters of the hypernet alone.
        generated: weights generated for one context.
        deployed: parameters of the network that one context gives, generated and kept.
    """

    trained: int
    total: int
    hypernet: int
    generated: int
    deployed: int

    @property
    def compression_ratio(self) -> float:
        """Generated numbers for each parameter of the hypernet."""
        return self.generated / self.hypernet if self.hypernet else float("inf")


def count(model: nn.Module, hypernet: nn.Module, *, generated: int, deployed: int) -> Count:
    """Count the parameters of a model and its hypernet; a shared one counts once."""
    return Count(
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        total=sum(p.numel() for p in model.parameters()),
        hypernet=sum(p.numel() for p in hypernet.parameters()),
        generated=generated,
        deployed=deployed,
    )
