"""What is planned for, looked at without taking it over."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn._torch import NormBase
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout import ParamLayout, Selector, as_selectors
from hyperdnn.protocols import Combine
from hyperdnn.targets import Replace, Target

__all__ = ["Subject"]


@final
@dataclass(frozen=True, kw_only=True)
class Subject:
    """A target to be, or one that exists.

    Args:
        name: of the module's class.
        replaced: the parameters that generated ones replace.
        combine: how generated and base tensors make them.
        kept: trained numbers that stay with the target.
        frozen: its frozen numbers, base weights included.
        deployed: numbers of the network that one context gives.
        device: where the target is; the CPU for one without storage.
        statistics: whether a policy for running statistics must be chosen.
        arguments: of ``hd.Target`` as code; None if the target exists.
    """

    name: str
    replaced: ParamLayout
    combine: Combine
    kept: int
    frozen: int
    deployed: int
    device: torch.device
    statistics: bool
    arguments: str | None

    @classmethod
    def of(cls, target: Target | nn.Module, select: Selector | Iterable[Selector]) -> "Subject":
        """Look at a target, or at a module that shall become one.

        Raises:
            ConfigError: for a selection from a target, which has its own already.
            LayoutError: if nothing is selected, or the module has no parameters or only empty ones.
        """
        if not isinstance(target, nn.Module):
            raise ConfigError(f"plan: expected a Target or an nn.Module, got {type(target).__name__}.")
        if not isinstance(target, Target):
            replaced = ParamLayout.of(target, *as_selectors(select))
            if not replaced.numel:
                raise LayoutError(f"plan: '{replaced.names[0]}' is empty: there is nothing to generate.")
            rest = [p for name, p in target.named_parameters() if name not in replaced]
            return cls(
                name=type(target).__name__,
                replaced=replaced,
                combine=Replace(),
                kept=_numbers(p for p in rest if p.requires_grad),
                frozen=_numbers(p for p in rest if not p.requires_grad),
                deployed=replaced.numel + _numbers(rest),
                device=_device(target),
                statistics=_statistics(target),
                arguments=_arguments(select) + (', buffers="batch"' if _statistics(target) else ""),
            )
        if select != "*":
            raise ConfigError("plan: a Target has its selection already. Leave out select=, or pass the plain module.")
        return cls(
            name=type(target.module).__name__,
            replaced=target.replaced,
            combine=target.combine,
            kept=_numbers(p for p in target.parameters() if p.requires_grad),
            frozen=_numbers(p for p in target.parameters() if not p.requires_grad),
            deployed=target.replaced.numel + _numbers(target.module.parameters()),
            device=_device(target),
            statistics=False,
            arguments=None,
        )

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the generated weights, which the hypernet follows."""
        return self.replaced.specs[0].dtype

    @property
    def layers(self) -> int:
        """Layers of the target that have generated parameters."""
        return len({spec.name.rpartition(".")[0] for spec in self.replaced})


def _numbers(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _device(module: nn.Module) -> torch.device:
    tensors = (*module.parameters(), *module.buffers())
    return next((t.device for t in tensors if not t.is_meta), torch.device("cpu"))


def _statistics(module: nn.Module) -> bool:
    return any(isinstance(layer, NormBase) and layer.running_mean is not None for layer in module.modules())


def _arguments(select: Selector | Iterable[Selector]) -> str:
    """The selection as code: globs as they are; layer types and predicates keep the name of the argument."""
    if select == "*":
        return ""
    globs = isinstance(select, str) or (isinstance(select, list | tuple) and all(isinstance(s, str) for s in select))
    return f", {select!r}" if globs else ", select"
