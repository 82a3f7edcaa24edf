"""What FSDP2 shards of a model."""

from collections.abc import Callable, Iterable
from functools import wraps
from itertools import chain
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from hyperdnn._torch import tree_flatten, tree_unflatten
from hyperdnn.distributed._group import agree, require_processes
from hyperdnn.distributed._rows import keep_untouched
from hyperdnn.errors import ConfigError
from hyperdnn.models import HyperDNN, Hypernet
from hyperdnn.targets import Target

__all__ = ["shard"]

_Kind = TypeVar("_Kind", bound=nn.Module)

_VERBS = ("batched", "paired", "grouped", "with_buffers", "bake")


def shard(model: nn.Module, *, mesh: DeviceMesh | None = None) -> None:
    """Divide parameters, gradients and the optimiser's state among processes, in place (torch's FSDP2).

    Of each hypernet the head is gathered by itself, while it generates, and again for its backward: it is the largest
    part. Body, the rest of the hypernet, and the kept parameters of each target are one unit each. All verbs of
    `HyperDNN` work as before, as do calls of the hypernet alone; every process must make the same ones. Gradients are
    the mean over processes. Make the optimiser afterwards. Rows of a `encoders.Table` that no process used have no
    gradient, as in one process.

    Each process begins with the weights of the first one. ``save_pretrained`` wants a whole model: load
    ``get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))`` of
    ``torch.distributed.checkpoint.state_dict`` into an unsharded one.

    Args:
        model: a `HyperDNN`, or a module with some inside. Parameters outside of them are sharded as one unit, and then
            only calls of ``model`` itself will do.
        mesh: the processes, one dimension; all by default.

    Raises:
        ConfigError: without a process group, for a model that is sharded or divided already, and for a hypernet with
            ``stream=True``, whose head runs while the target does.
    """
    require_processes("shard")
    if any(isinstance(module, FSDPModule) for module in model.modules()):
        raise ConfigError("shard: the model is sharded already. It can be done once, before training.")
    if any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        raise ConfigError("shard: some parameters are distributed already, as by Divided. Choose one of the two.")
    targets = _outermost(module for module in model.modules() if isinstance(module, Target))
    hypernets = _outside(model, Hypernet, targets)
    # Those of the user's own, and several joined to one.
    generators = [*hypernets, *(pair.hypernet for pair in _outside(model, HyperDNN, targets))]
    for hypernet in hypernets:
        if hypernet.stream:
            raise ConfigError(
                "shard: a hypernet with stream=True makes weights after its head was called, when the head is sharded "
                "again. Build it without stream=True: sharding saves the memory of parameters, streaming that of "
                "weights."
            )
    agree(model, mesh)
    units: list[nn.Module] = []
    for hypernet in hypernets:
        units += [hypernet.head, hypernet.body]
    units += [*generators, *targets]
    sharded = [unit for unit in dict.fromkeys((*units, model)) if _has_own(unit, units)]
    for unit in sharded:
        unit.register_forward_hook(_own)  # before those of FSDP2
        # Also the outermost: after a call without gradients ``parameters()`` shall not be whole ones.
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)
        # Processes that use different rows of a table must still exchange gradients of equal sizes.
        assert isinstance(unit, FSDPModule)
        unit.set_reduce_scatter_unused_params(True, recurse=False)
    for target in targets:
        for verb in _VERBS if target in sharded else ():
            setattr(target, verb, _owning(getattr(target, verb)))
            register_fsdp_forward_method(target, verb)
    for generator in _outermost(generators):
        keep_untouched(generator, mesh.get_group() if mesh is not None else None)


def _outermost(modules: Iterable[nn.Module]) -> list[nn.Module]:
    """Those that lie in no other of them."""
    found = list(dict.fromkeys(modules))
    inside = {inner for outer in found for inner in outer.modules() if inner is not outer}
    return [module for module in found if module not in inside]


def _outside(model: nn.Module, kind: type[_Kind], targets: Iterable[nn.Module]) -> list[_Kind]:
    """All of a kind that are no part of a target: what a target contains runs mapped, where hooks cannot."""
    inside = set(chain.from_iterable(target.modules() for target in targets))
    return [module for module in model.modules() if isinstance(module, kind) and module not in inside]


def _has_own(unit: nn.Module, units: Iterable[nn.Module]) -> bool:
    """Whether a unit has parameters that are in no unit inside of it."""
    inner = {p for other in units if other is not unit and other in set(unit.modules()) for p in other.parameters()}
    return any(parameter not in inner for parameter in unit.parameters())


def _own(unit: nn.Module | None, args: Any, output: Any) -> Any:
    """The output on the same memory, but no view: FSDP2 warns of views, whose change in place would lose its hook."""
    leaves, spec = tree_flatten(output)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]
    owned: tuple[Tensor, ...] = _Own.apply(*(leaves[i] for i in places))  # type: ignore[no-untyped-call]
    for place, tensor in zip(places, owned, strict=True):
        leaves[place] = tensor
    return tree_unflatten(leaves, spec)


def _owning(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _own(None, args, verb(*args, **kwargs))

    return call


@final
class _Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tuple(_same_memory(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return grads


def _same_memory(tensor: Tensor) -> Tensor:
    empty = tensor.new_empty(0)
    return empty.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
