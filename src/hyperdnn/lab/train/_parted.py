"""Tensors of which each process holds a part, on their way to files and back, for any number of processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._gradients import is_divided

__all__ = ["Division", "Parts", "as_it_is", "division"]


@final
@dataclass(frozen=True, eq=False)
class Parts:
    """A tensor that lies in several files: cut along one dimension, a part for each process, some of them empty.

    Args:
        tensors: in the order of processes; on the CPU, and not yet read.
        shape: of the whole.
        dim: along which it was cut.

    Raises:
        CheckpointError: parts that do not make the whole.
    """

    tensors: Sequence[Tensor]
    shape: tuple[int, ...]
    dim: int

    def __post_init__(self) -> None:
        shapes = [tuple(part.shape) for part in self.tensors]
        fits = 0 <= self.dim < len(self.shape) and all(len(shape) == len(self.shape) for shape in shapes)
        if fits:
            total = sum(shape[self.dim] for shape in shapes)
            fits = {(*shape[: self.dim], total, *shape[self.dim + 1 :]) for shape in shapes} == {self.shape}
        if not fits or len({part.dtype for part in self.tensors}) != 1:
            raise CheckpointError(f"parts of shapes {shapes} do not make a tensor of shape {self.shape}.")

    def cut(self, start: int, stop: int) -> Tensor:
        """What lies from one place to another; only that is read."""
        pieces, at = [], 0
        for part in self.tensors:
            length = part.shape[self.dim]
            first, last = max(start - at, 0), min(stop - at, length)
            if first < last:
                pieces.append(part.narrow(self.dim, first, last - first))
            at += length
        return torch.cat(pieces, self.dim) if pieces else self.tensors[0].narrow(self.dim, 0, 0).clone()

    def whole(self) -> Tensor:
        """All of it."""
        return self.cut(0, self.shape[self.dim])


@final
@dataclass(frozen=True, eq=False)
class Division:
    """What one process holds of a tensor.

    Args:
        tensor: its part.
        dim: along which the whole is cut.
        process: which one it is.
        processes: how many there are.
    """

    tensor: Tensor
    dim: int
    process: int
    processes: int

    def bounds(self, length: int) -> tuple[int, int]:
        """Where the part of a whole of this length begins and ends: as ``torch.chunk`` cuts."""
        each = -(-length // self.processes)
        return min(self.process * each, length), min((self.process + 1) * each, length)


def division(tensor: Tensor) -> Division:
    """What this process holds of a divided tensor.

    Raises:
        CheckpointError: it is not cut along one dimension.
    """
    from torch.distributed.tensor import DTensor, Shard

    assert isinstance(tensor, DTensor)
    match tensor.placements:
        case (placement,) if type(placement) is Shard:
            mesh = tensor.device_mesh
            return Division(tensor.to_local(), placement.dim, mesh.get_local_rank(), mesh.size())
    raise CheckpointError(f"a tensor is divided as {tensor.placements}: expected to be cut along one dimension.")


def as_it_is(saved: Tensor | Parts, present: Tensor) -> Tensor:
    """What was saved, in the form in which a tensor of the same shape is present: whole, or this process's part."""
    if not is_divided(present):
        return saved.whole() if isinstance(saved, Parts) else saved
    from torch.distributed.tensor import DTensor

    assert isinstance(present, DTensor)
    own = division(present)
    if isinstance(saved, Tensor) or saved.dim != own.dim:
        whole = saved if isinstance(saved, Tensor) else saved.whole()
        saved = Parts([whole], tuple(whole.shape), own.dim)
    part = saved.cut(*own.bounds(present.shape[own.dim])).to(own.tensor.device)
    mesh, placements = present.device_mesh, present.placements
    return DTensor.from_local(part, mesh, placements, run_check=False, shape=present.shape, stride=present.stride())
