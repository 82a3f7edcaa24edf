"""Values and tensors of a checkpoint, as JSON beside named tensors: nothing is pickled, so nothing is unpickled."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.data import Batch
from hyperdnn.lab.losses import Memory
from hyperdnn.lab.train._gradients import is_divided
from hyperdnn.lab.train._parted import Parts, division

__all__ = ["flatten", "unflatten"]

_PARTED = ("model", "optimizer")  # where tensors may be divided among processes: as they are divided again there
_CLASSES: dict[str, type[Any]] = {"Batch": Batch, "Memory": Memory}  # what may be made from a file


def flatten(value: object) -> tuple[object, dict[str, Tensor]]:
    """A JSON value in which tensors are names, and these tensors on the CPU, fit for safetensors.

    A tensor that stands in several places is kept once. Of one that is divided among processes, this one's part is
    kept.

    Args:
        value: None, truth values, numbers, text, tensors, `Memory` and `Batch`, in lists, tuples and mappings.

    Raises:
        CheckpointError: anything else, with the place where it is.
    """
    flattener = _Flattener()
    return flattener.plain(value, ""), flattener.tensors


def unflatten(tree: object, tensors: Mapping[str, Tensor], device: torch.device | str) -> Any:
    """The value again. What was on the CPU stays there, what was on another device goes to the given one.

    Args:
        tree: as `flatten` made it.
        tensors: those of all processes, where some are divided among them; `Parts` come in their place.
        device: the given one.

    Raises:
        CheckpointError: a tree that `flatten` does not make.
    """
    match tree:
        case None | bool() | int() | float() | str():
            return tree
        case list():
            return [unflatten(item, tensors, device) for item in tree]
        case {"tensor": str(name), **rest} if name in tensors and not rest:
            return tensors[name]
        case {"device tensor": str(name), **rest} if name in tensors and not rest:
            return tensors[name].to(device)
        case {"parts": list(names), "shape": list(shape), "dim": int(dim), **rest} if not rest:
            return Parts([tensors[name] for name in names], tuple(shape), dim)
        case {"float": "nan" | "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case {"tuple": list(items), **rest} if not rest:
            return tuple(unflatten(item, tensors, device) for item in items)
        case {"dict": list(items), **rest} if not rest:
            return {unflatten(key, tensors, device): unflatten(item, tensors, device) for key, item in items}
        case {"class": str(name), "fields": dict(values), **rest} if name in _CLASSES and not rest:
            return _CLASSES[name](**{key: unflatten(item, tensors, device) for key, item in values.items()})
    raise CheckpointError(f"expected a value of a checkpoint, got {str(tree)[:80]}.")


@final
class _Flattener:
    """Collects the tensors on the way."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.names: dict[tuple[object, ...], str] = {}
        self.storages: set[int] = set()

    def plain(self, value: object, path: str) -> object:
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                return value if math.isfinite(value) else {"float": str(float(value))}
            case Tensor() if is_divided(value):
                return self._part(value, path)
            case Tensor() if value.layout is torch.strided:
                return {"tensor" if value.device.type == "cpu" else "device tensor": self._named(value, path)}
            case list():
                return [self.plain(item, f"{path}.{index}") for index, item in enumerate(value)]
            case tuple():
                return {"tuple": [self.plain(item, f"{path}.{index}") for index, item in enumerate(value)]}
            case Mapping():
                return {"dict": [[self.plain(k, path), self.plain(v, f"{path}.{k}")] for k, v in value.items()]}
        kind = type(value)
        if _CLASSES.get(kind.__name__) is kind:
            parts = {f.name: self.plain(getattr(value, f.name), f"{path}.{f.name}") for f in fields(kind)}
            return {"class": kind.__name__, "fields": parts}
        raise CheckpointError(
            f"'{path.lstrip('.')}' is a {kind.__name__}, which no checkpoint can hold: tensors and plain values can, "
            "in lists, tuples and dicts. Keep a module's state_dict(), or set train.checkpoint_every to null."
        )

    def _part(self, tensor: Tensor, path: str) -> object:
        name = path.lstrip(".")
        if name.partition(".")[0] not in _PARTED:
            raise CheckpointError(
                f"'{name}' is divided among processes, which only parameters may be in a checkpoint. Keep its "
                "full_tensor(), or set train.checkpoint_every to null."
            )
        part = division(tensor)
        names = [f"{name}[{process}]" for process in range(part.processes)]
        self._keep(part.tensor, names[part.process])
        return {"parts": names, "shape": list(tensor.shape), "dim": part.dim}

    def _named(self, tensor: Tensor, path: str) -> str:
        key = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and key in self.names:
            return self.names[key]
        name = path.lstrip(".")
        while name in self.tensors:  # a dot may also stand in a key
            name += "'"
        self.names[key] = name
        self._keep(tensor, name)
        return name

    def _keep(self, tensor: Tensor, name: str) -> None:
        cpu = tensor.detach().to("cpu").contiguous()
        storage = cpu.untyped_storage()
        # A file holds whole tensors: of a part of a storage, or of one that is in it already, it gets a copy.
        if storage.data_ptr() in self.storages or storage.nbytes() != cpu.numel() * cpu.element_size():
            cpu = cpu.clone()
        self.storages.add(cpu.untyped_storage().data_ptr())
        self.tensors[name] = cpu
