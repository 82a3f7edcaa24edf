"""A module to take over, out of an architecture that keeps its own."""

import copy

import torch
from torch import nn

from hyperdnn._torch import NormBase
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout import Architecture, Selector
from hyperdnn.protocols import Combine

__all__ = ["copied"]


def copied(architecture: Architecture, combine: Combine | None) -> tuple[nn.Module, Selector]:
    """A copy of an architecture's network that can run once its generated parameters are given, and which these are.

    On the meta device generated parameters stay there, running statistics start anew on the CPU.

    Args:
        architecture: what is copied.
        combine: whether the generated parameters' own values are needed too.

    Raises:
        ConfigError: for what is no architecture.
        LayoutError: if anything else is on the meta device: its values were never made.
    """
    if not isinstance(architecture, Architecture):
        raise ConfigError(
            f"Target.of takes an Architecture, got {type(architecture).__name__}: write Architecture.of(module), or "
            "Target(module) for a single network."
        )
    module = copy.deepcopy(architecture.module)
    for layer in module.modules():
        if isinstance(layer, NormBase) and layer.running_mean is not None and layer.running_mean.is_meta:
            for leaf, buffer in layer.named_buffers(recurse=False):
                setattr(layer, leaf, torch.empty_like(buffer, device="cpu"))
            layer.reset_running_stats()
    bases = combine is not None and combine.needs_base
    generated = set() if bases else {name for spec in architecture.layout for name in spec.names}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta and name not in generated:
            kind = "a base weight" if name in architecture.layout else "kept as it is"
            raise LayoutError(
                f"'{name}' is {kind}, but on the meta device, where it has no values. "
                "Build the network on a real device, or generate all its parameters."
            )
    return module, lambda spec: spec.name in architecture.layout
