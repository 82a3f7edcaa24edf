"""The LoRA of a target in PEFT's form, and the proof that the target is nothing else beside its base."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from hyperdnn._torch import ConvBase
from hyperdnn.errors import LayoutError
from hyperdnn.nn import Attached, Lookup, LoRA
from hyperdnn.targets import Target
from hyperdnn.typing import Weights

__all__ = ["Adapter", "adapters"]

_WAY_OUT = "An adapter folder holds LoRA only: export the whole network instead, model.bake(context)."


class Adapter(NamedTuple):
    """One layer's LoRA as PEFT has it."""

    rank: int
    alpha: float
    tensors: dict[str, Tensor]
    transposed: bool
    """Whether the layer keeps its weight as (in, out)."""


def adapters(target: Target, effective: Weights) -> dict[str, Adapter]:
    """All LoRA of a target by the layers' names, generated or kept.

    Args:
        target: its module is searched.
        effective: its generated parameters, of a single context.

    Raises:
        LayoutError: naming the first parameter that is not LoRA, or the first layer that PEFT has no form of.
    """
    layers = _lora_layers(target)
    found = {}
    for name, layer in layers.items():
        names = [f"{name}.{side}.weight" for side in ("lora_a", "lora_b")]
        a, b = (effective[n] if n in effective else target.module.get_parameter(n).detach() for n in names)
        found[name] = _adapter(name, layer, a, b)
    return found


def _lora_layers(target: Target) -> dict[str, LoRA]:
    """The layers that have LoRA, in a target that differs from its base in nothing else."""
    modules = dict(target.module.named_modules(remove_duplicate=False))
    layers = {name: module for name, module in modules.items() if isinstance(module, LoRA)}
    if "" in layers:
        raise LayoutError("the module is itself the layer that has LoRA: PEFT wants it inside of a module.")
    factors = {f"{name}.{side}.weight" for name in layers for side in ("lora_a", "lora_b")}
    for name in target.replaced.names:
        if name not in factors:
            raise LayoutError(f"'{name}' is generated and is not LoRA. {_WAY_OUT}")
    for name, module in modules.items():
        if isinstance(module, Attached):
            raise LayoutError(f"'{name}' has {module.name} behind it, which is not LoRA. {_WAY_OUT}")
    for name, parameter in target.module.named_parameters():
        if parameter.requires_grad and name not in factors:
            raise LayoutError(
                f"'{name}' is trained and is not LoRA. {_WAY_OUT} If it is still the base's own, freeze the "
                "base: net.requires_grad_(False) before attach_lora."
            )
    if target.buffers_policy not in (None, "frozen"):
        raise LayoutError(f"running statistics (buffers='{target.buffers_policy}') are not the base's own. {_WAY_OUT}")
    first: dict[int, str] = {}
    for name, layer in layers.items():
        if first.setdefault(id(layer), name) != name:
            raise LayoutError(
                f"'{name}' and '{first[id(layer)]}' are one layer, whose LoRA PEFT would put into one of the two "
                f"places only. {_WAY_OUT}"
            )
    return layers


def _adapter(name: str, layer: LoRA, a: Tensor, b: Tensor) -> Adapter:
    base, rank, alpha = layer.base, layer.rank, layer.alpha
    if isinstance(base, nn.Embedding | Lookup):
        if base.max_norm is not None:
            raise _no_form(name, "max_norm, which PEFT applies to the factor too")
        scale: Any = getattr(base, "embed_scale", 1.0)  # in Gemma and BART; PEFT multiplies the change by it as well
        if isinstance(scale, Tensor):
            scale = scale.item() if scale.numel() == 1 else 1.0
        b = b / scale
        return Adapter(rank, alpha, {"lora_embedding_A": a.mT, "lora_embedding_B": b}, transposed=False)
    if isinstance(base, ConvBase):
        if base.padding_mode != "zeros" or any(step != 1 for step in base.dilation):
            raise _no_form(name, "a dilation or a padding mode, which PEFT leaves out")
        # PEFT counts the ranks of all groups together, and each of them sees all channels.
        a, rank, alpha = _ungrouped(a, base.groups), rank * base.groups, alpha * base.groups
    transposed = not isinstance(base, nn.Linear | ConvBase)
    return Adapter(rank, alpha, {"lora_A.weight": a, "lora_B.weight": b}, transposed)


def _ungrouped(weight: Tensor, groups: int) -> Tensor:
    """A grouped convolution's weight as that of an ordinary one: zero between the groups."""
    blocks = weight.reshape(groups, -1, *weight.shape[1:])
    full = blocks.new_zeros(groups, blocks.shape[1], groups, *blocks.shape[2:])
    full.diagonal(dim1=0, dim2=2).copy_(blocks.movedim(0, -1))
    return full.flatten(2, 3).flatten(0, 1)


def _no_form(name: str, what: str) -> LayoutError:
    return LayoutError(f"'{name}' has {what}. Export the whole network instead: model.bake(context).")
