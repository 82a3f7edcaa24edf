"""Small images, and the large ones that they were made of."""

from dataclasses import dataclass, replace
from typing import final

import torch
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Batch, Split, Task

__all__ = ["Shrunken"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Shrunken:
    """A set of images for enlarging: inputs are means over squares of pixels, targets the images themselves.

    Made batch by batch: nothing is stored twice.

    Args:
        task: the images.
        factor: side of the squares.

    Raises:
        ConfigError: images that are not cut into whole squares, or that are none.
    """

    task: Task
    factor: int

    def __post_init__(self) -> None:
        shape, factor = self.task.shape, self.factor
        if len(shape) != 3 or factor < 1 or any(side % factor for side in shape[1:]):
            raise ConfigError(f"factor: expected a divisor of the sides of the images in {shape}, got {factor}.")

    @property
    def train(self) -> "_Pairs":
        """What is learnt from."""
        return _Pairs(split=self.task.train, factor=self.factor)

    @property
    def validation(self) -> "_Pairs":
        """What settings are chosen on."""
        return _Pairs(split=self.task.validation, factor=self.factor)

    @property
    def test(self) -> "_Pairs":
        """What is reported."""
        return _Pairs(split=self.task.test, factor=self.factor)

    def to(self, device: torch.device | str) -> "Shrunken":
        """The same on another device."""
        return replace(self, task=self.task.to(device))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Pairs:
    split: Split
    factor: int

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: slice | torch.Tensor) -> Batch:
        """The pairs of a slice or of an index tensor."""
        return self._pairs(self.split[index])

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """A random batch, as `Split.sample`."""
        return self._pairs(self.split.sample(size, generator=generator))

    def _pairs(self, batch: Batch) -> Batch:
        return replace(batch, inputs=F.avg_pool2d(batch.inputs, self.factor), targets=batch.inputs)
