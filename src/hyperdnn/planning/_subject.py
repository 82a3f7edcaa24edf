"""What is planned for, looked at without taking it over."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn._torch import NormBase
from hyperdnn.errors import ConfigError
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
        arguments: of ``hd.Target`` as code; None if the target exists.
    """

    name: str
    replaced: ParamLayout
    combine: Combine
    kept: int
    frozen: int
    deployed: int
    device: torch.device
    arguments: str | None

    @classmethod
    def of(cls, target: Target | nn.Module, select: Selector | Iterable[Selector]) -> "Subject":
        """Look at a target, or at a module that shall become one.

        Raises:
            ConfigError: for a selection from a target, which has its own already.
            LayoutError: if nothing is selected or the module has no parameters.
        """
        if not isinstance(target, nn.Module):
            raise ConfigError(f"plan: expected a Target or an nn.Module, got {type(target).__name__}.")
        if not isinstance(target, Target):
            replaced = ParamLayout.of(target, *as_selectors(select))
            rest = [p for name, p in target.named_parameters() if name not in replaced]
            return cls(
                name=type(target).__name__,
                replaced=replaced,
                combine=Replace(),
                kept=_numbers(p for p in rest if p.requires_grad),
                frozen=_numbers(p for p in rest if not p.requires_grad),
                deployed=replaced.numel + _numbers(rest),
                device=_device(target),
                arguments=_arguments(target, select),
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


def _arguments(module: nn.Module, select: Selector | Iterable[Selector]) -> str:
    """What ``hd.Target`` must be told about the module, each argument with a comma before it."""
    globs = isinstance(select, str) or (isinstance(select, list | tuple) and all(isinstance(s, str) for s in select))
    parts = "" if select == "*" else f", {select!r}" if globs else ", select"
    statistics = any(isinstance(m, NormBase) and m.running_mean is not None for m in module.modules())
    return parts + (', buffers="batch"' if statistics else "")
