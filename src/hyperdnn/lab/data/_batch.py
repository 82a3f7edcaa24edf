"""What training sees of data: a set in memory, and batches drawn from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

__all__ = ["Batch", "Split", "Task"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Inputs with their targets, and the context whose weights they are meant for.

    Args:
        context: what the hypernet is conditioned on; for a sequence of tasks the index of the task, a scalar.
        inputs: one row for each sample.
        targets: one row for each sample.
        total: samples in the set that it was drawn from, for losses with a part that is not a mean over samples.
    """

    context: Tensor
    inputs: Tensor
    targets: Tensor
    total: int = 0

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        context, inputs, targets = (tensor.to(device) for tensor in (self.context, self.inputs, self.targets))
        return replace(self, context=context, inputs=inputs, targets=targets)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One part of a data set (train, validation or test), held in memory in the type it was published in.

    Batches come out as float32: ``stored * scale + shift``. Bytes stay bytes until then, and the pixels are
    reordered batch by batch, so ten permuted copies of a set share one tensor.

    Args:
        stored: the inputs, one row for each sample; images are ``(samples, channels, height, width)``.
        targets: one row for each sample: a class index, or numbers.
        scale: what a stored number is multiplied by.
        shift: what is added afterwards.
        order: the pixels' new order, ``(height * width,)``, the same for each channel; None leaves them as
            they are.
        context: the context of every batch.
    """

    stored: Tensor
    targets: Tensor
    scale: float = 1.0
    shift: float = 0.0
    order: Tensor | None = None
    context: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: slice | Tensor) -> Batch:
        """The samples of a slice or of an index tensor: ``split[:100]``, ``split[torch.tensor([3, 1])]``."""
        inputs = self.stored[index].to(torch.float32) * self.scale + self.shift
        if self.order is not None:
            inputs = inputs.flatten(-2)[..., self.order].reshape(inputs.shape)
        context = torch.tensor(self.context, device=self.stored.device)
        return Batch(context=context, inputs=inputs, targets=self.targets[index], total=len(self))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input: of an image ``(channels, height, width)``."""
        return tuple(self.stored.shape[1:])

    def sample(self, size: int, *, generator: torch.Generator) -> Batch:
        """A random batch, drawn with replacement: the generator's state is all that a resumed run needs."""
        index = torch.randint(len(self), (size,), generator=generator, device=generator.device)
        return self[index.to(self.stored.device)]

    def batches(self, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """One pass over all samples: as stored, or shuffled by the generator. The last batch may be small."""
        if generator is None:
            yield from (self[start : start + size] for start in range(0, len(self), size))
            return
        order = torch.randperm(len(self), generator=generator, device=generator.device).to(self.stored.device)
        yield from (self[order[start : start + size]] for start in range(0, len(self), size))

    def to(self, device: torch.device | str) -> "Split":
        """The same samples on another device, so that batches are cut where they are used."""
        order = None if self.order is None else self.order.to(device)
        return replace(self, stored=self.stored.to(device), targets=self.targets.to(device), order=order)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A problem: three splits of one data set. A plain data set is one task.

    Args:
        name: for tables and figures.
        train: what is learnt from.
        validation: what settings are chosen on.
        test: what is reported.
        classes: number of classes, and targets lie in ``0 .. classes - 1``; 0 if they are numbers (regression).
        unit: what 1 of a target that is a number stands for, in the data's own unit.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int = 0
    unit: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input: ``(channels, height, width)``."""
        return self.train.shape

    def to(self, device: torch.device | str) -> "Task":
        """The same task on another device."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
        )
