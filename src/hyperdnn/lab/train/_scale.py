"""The factor of the loss in half precision, and the steps that it costs."""

from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Scale"]

_SMALLEST = 2.0**-24  # the smallest number in 16 bits: scaled by less, nothing of a gradient is left


@final
class Scale:
    """What the loss is multiplied with before its gradient is computed; 1 where the precision has no scaler.

    Args:
        fabric: its precision may have one.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self.scaler = getattr(fabric.strategy.precision, "scaler", None)

    @property
    def varies(self) -> bool:
        """Whether gradients may overflow without anything being wrong."""
        return self.scaler is not None

    @property
    def value(self) -> float:
        """The present factor."""
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())

    @property
    def exhausted(self) -> bool:
        """Whether gradients overflow however small the factor is."""
        return self.varies and self.value < _SMALLEST

    def step(self, optimizer: Any) -> None:  # Fabric's wrapper has no public name
        """Let the optimiser take a step. Of one that the scaler skips, no gradient is left to be looked at."""
        before = self.value
        optimizer.step()
        if self.value < before:
            optimizer.zero_grad()
