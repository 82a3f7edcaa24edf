"""Each process makes one part of the weights."""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.func import functional_call
from torch.nn import functional as F

from hyperdnn import init as initial
from hyperdnn.distributed._group import agree, require_processes
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.heads import ChunkedHead, FullHead
from hyperdnn.typing import Weights

__all__ = ["Divided"]


@final
class Divided(nn.Module):
    """A head of which each process makes one part, and all processes get all weights: for one huge target.

    Of a `ChunkedHead` a process runs one range of slots; of a `FullHead` it holds and runs one range of rows, so that
    the map with its gradient and the optimiser's state are divided too. What is exchanged are the generated numbers,
    where `shard` exchanges the map, ``hidden`` times as many: this is the better one for fewer contexts than that.

    Every process must be given the same contexts; data may differ. After the backward all have the gradient of the mean
    of their losses, of everything before the weights, so that no wrapper is needed there. ``DistributedDataParallel``
    averages what is equal already; with a `FullHead`, whose rows differ, it must be left out.

    The rows of a `FullHead` are distributed tensors, which torch's distributed checkpoint saves as one. Optimisers do
    not mix these with plain ones on every device: give them ``model.parameter_groups()``.

    Args:
        head: to divide; a `FullHead` gives up its rows.
        mesh: the processes, one dimension; all by default. They begin with the weights of the first one.

    Shape:
        as ``head``.

    Raises:
        ConfigError: without a process group, or for another head.
        ContextError: in a call, if the features differ from those of another process.
    """

    def __init__(self, head: ChunkedHead | FullHead, *, mesh: DeviceMesh | None = None) -> None:
        super().__init__()
        if not isinstance(head, ChunkedHead | FullHead):
            raise ConfigError(f"Divided: {type(head).__name__} cannot be divided. Use FullHead or ChunkedHead.")
        require_processes("Divided")
        device = next(head.parameters()).device
        self.mesh = mesh if mesh is not None else init_device_mesh(device.type, (distributed.get_world_size(),))
        self.layout = head.layout
        self.slots = head.slots
        self.hidden = head.hidden
        self.head = head
        agree(head, self.mesh)
        if isinstance(head, FullHead):
            for name, parameter in list(head.linear.named_parameters()):
                rows = distribute_tensor(parameter.detach(), self.mesh, [Shard(0)], src_data_rank=None)
                setattr(head.linear, name, nn.Parameter(rows, requires_grad=parameter.requires_grad))

    def forward(self, features: Float[Tensor, "*contexts hidden"] | Float[Tensor, "*contexts slots hidden"]) -> Weights:
        head = self.head
        mine = self._slots(head, features) if isinstance(head, ChunkedHead) else self._rows(head, features)
        own = () if isinstance(head, FullHead) else (head.affine.gain,)
        parts, *gain = _gather(self.mesh, torch.cat([mine, _mark(features, mine)], -1), *own)
        _compare(parts[..., -1].detach())
        flat = parts[..., :-1].movedim(0, -2).flatten(-2)[..., : self.layout.numel]
        weights = self.layout.split(flat)
        if isinstance(head, FullHead):
            return weights
        scaled: Weights = functional_call(head.affine, {"gain": gain[0]}, (weights,))
        return scaled

    def _slots(self, head: ChunkedHead, features: Tensor) -> Tensor:
        """The numbers of this process's slots, filled up with zeros to those of any other."""
        group = self.mesh.get_group()
        rows = initial.unit_rms(features) if head.normalize else features
        rows = rows if head.signs is None else head.signs(rows)
        each = -(-head.slots // group.size())
        start = min(group.rank() * each, head.slots)
        rows, weight, bias = _complete(self.mesh, rows, head.linear.weight, head.linear.bias)
        numbers = F.linear(rows[..., start : start + each, :], weight, bias).flatten(-2)
        return F.pad(numbers, (0, each * head.chunk - numbers.shape[-1]))

    def _rows(self, head: FullHead, features: Tensor) -> Tensor:
        """The numbers of this process's rows, filled up with zeros to those of any other."""
        rows = initial.unit_length(features) if head.normalize else features
        weight, bias = (_local(parameter) for parameter in (head.linear.weight, head.linear.bias))
        (rows,) = _complete(self.mesh, rows)
        numbers = F.linear(rows, weight, bias)
        return F.pad(numbers, (0, -(-self.layout.numel // self.mesh.size()) - numbers.shape[-1]))


def _local(parameter: Tensor) -> Tensor:
    assert isinstance(parameter, DTensor)
    return parameter.to_local()


def _mark(features: Tensor, numbers: Tensor) -> Tensor:
    """One number for each context, ``(*contexts, 1)``, by which other processes know it."""
    others = tuple(range(numbers.ndim - 1, features.ndim))
    return features.detach().mean(others).unsqueeze(-1).to(numbers.dtype)


def _compare(marks: Tensor) -> None:
    if not torch.allclose(marks, marks[:1].expand_as(marks), rtol=1e-2, atol=1e-4):
        raise ContextError(
            "Divided: the processes were given different contexts, or their hypernets differ: weights would be pieced "
            "together of several networks. Give all the same contexts and the same seed, and divide data instead."
        )


def _gather(mesh: DeviceMesh, mine: Tensor, *same: Tensor) -> tuple[Tensor, ...]:
    """``(*contexts, n)`` -> ``(processes, *contexts, n)``, and tensors that are the same on all processes.

    Back comes the mean of what all processes want.
    """
    gathered: tuple[Tensor, ...] = _Gather.apply(mesh, mine, *same)  # type: ignore[no-untyped-call]
    return gathered


def _complete(mesh: DeviceMesh, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors that are the same on all processes, each of which has a part of their gradient: back comes the sum."""
    completed: tuple[Tensor, ...] = _Complete.apply(mesh, *tensors)  # type: ignore[no-untyped-call]
    return completed


# One node for all that a process exchanges at a time: several could be ready in another order elsewhere.


@final
class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mesh: DeviceMesh, mine: Tensor, *same: Tensor) -> tuple[Tensor, ...]:
        ctx.mesh = mesh
        parts = mine.new_empty((mesh.size(), *mine.shape))
        if mine.numel():
            distributed.all_gather_single(parts.flatten(0, 1), mine.contiguous(), group=mesh.get_group())
        return parts, *(tensor.view_as(tensor) for tensor in same)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, *same = grads
        mine = grad.new_empty(grad.shape[1:])
        if mine.numel():
            distributed.reduce_scatter_single(mine, grad.flatten(0, 1).contiguous(), group=ctx.mesh.get_group())
        return None, *(total.div_(ctx.mesh.size()) for total in (mine, *_sums(ctx.mesh, same)))


@final
class _Complete(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mesh: DeviceMesh, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.mesh = mesh
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_sums(ctx.mesh, grads)


def _sums(mesh: DeviceMesh, tensors: Sequence[Tensor]) -> list[Tensor]:
    totals = [tensor.clone(memory_format=torch.contiguous_format) for tensor in tensors]
    for total in totals:
        if total.numel():
            distributed.all_reduce(total, group=mesh.get_group())
    return totals
