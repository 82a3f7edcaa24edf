"""Which generated tensors are one layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hyperdnn.nn import Attached, LoRA
from hyperdnn.targets import Gaussian, Target

__all__ = ["by_layer", "compared", "layers"]


def layers(target: Target) -> dict[str, tuple[str, ...]]:
    """Layer -> names of its generated tensors, both in layout order.

    A layer is the module of the target that owns the parameters; what is attached to one (LoRA, FiLM, an adapter)
    belongs to it. Parameters of the target itself are those of ``"(itself)"``.
    """
    found: dict[str, list[str]] = {}
    for spec in target.replaced:
        name = _layer(target.module, spec.name.split(".")[:-1]) or "(itself)"
        found.setdefault(name, []).extend(part.name for part in target.combine.specs(spec))
    return {name: tuple(parts) for name, parts in found.items()}


def _layer(module: nn.Module, path: Sequence[str]) -> str:
    for end in range(1, len(path)):
        outer = ".".join(path[:end])
        if isinstance(module.get_submodule(outer), LoRA | Attached):
            return outer
    return ".".join(path)


def compared(target: Target) -> tuple[str, ...]:
    """Generated tensors whose numbers are compared: all, and of a distribution over weights the means."""
    names = target.layout.names
    return tuple(n for n in names if n.endswith(".mean")) if isinstance(target.combine, Gaussian) else names


def by_layer(target: Target, squares: Tensor) -> Tensor:
    """Root mean squares ``(..., layers)`` of mean squares ``(..., tensors)``; each compared number counts once."""
    names, counted = target.layout.names, compared(target)
    sizes = [size if name in counted else 0 for name, size in zip(names, target.layout.sizes, strict=True)]
    numbers = torch.tensor(sizes, dtype=squares.dtype)
    members = [[names.index(name) for name in own] for own in layers(target).values()]
    means = [(squares[..., own] * numbers[own]).sum(-1) / numbers[own].sum().clamp(min=1) for own in members]
    return torch.stack(means, -1).sqrt()
