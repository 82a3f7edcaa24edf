"""Data on which generated networks are compared."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["Probe"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """Inputs that networks are run on, and what their outputs should be.

    Args:
        name: for words and figures, such as ``"task 3"``.
        inputs: ``(n, ...)``, for one context.
        targets: ``(n, ...)``; None where nothing is compared with the outputs.
        loss: outputs and targets -> one number; goes with targets.
        measure: what the loss is, with its unit, such as ``"cross-entropy (nats)"``.
        context: number of the context that the data belongs to; None if it is any context's.
        side: height and width of the picture whose pixels the inputs are, row by row; None if they are none.
        answer: outputs ``(..., n, *outputs)`` -> those of them that count, with as many dimensions in front, such as
            the output layer of one task among several; None if all do.

    Raises:
        ConfigError: there are no inputs, targets or sides for another number of them, or a loss without targets.
    """

    name: str
    inputs: Tensor
    targets: Tensor | None = None
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    measure: str = "loss"
    context: int | None = None
    side: tuple[int, int] | None = None
    answer: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.inputs.ndim or not len(self.inputs):
            raise ConfigError(
                f"probe '{self.name}': expected inputs (n, ...) of one sample or more, got {tuple(self.inputs.shape)}."
            )
        if (self.targets is None) is not (self.loss is None):
            raise ConfigError(f"probe '{self.name}': targets and loss go together. Give both, or none.")
        if self.targets is not None and len(self.targets) != len(self.inputs):
            raise ConfigError(
                f"probe '{self.name}': expected targets for {len(self.inputs)} inputs, got {len(self.targets)}."
            )

        if self.side is not None and math.prod(self.side) != len(self.inputs):
            height, width = self.side
            raise ConfigError(f"probe '{self.name}': {len(self.inputs)} inputs are no {height} x {width} pixels.")

    def measured(self, outputs: Tensor) -> Tensor:
        """The loss of a network's outputs, a scalar.

        Raises:
            ConfigError: the probe has none.
        """
        if self.loss is None or self.targets is None:
            raise ConfigError(f"probe '{self.name}' has no loss. Give it targets= and loss=.")
        return self.loss(outputs, self.targets)
