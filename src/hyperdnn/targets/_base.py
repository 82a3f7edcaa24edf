"""The base weights that a change is added to, and the sum of both."""

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor, nn

from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.protocols import Combine
from hyperdnn.typing import Weights

__all__ = ["BaseWeights", "assemble"]


@final
class BaseWeights(nn.Module):
    """Keeps parameters under their dotted names, as nested modules: ``base.layer1.0.weight`` in the ``state_dict``.

    Args:
        module: where the values come from.
        layout: which parameters.
        trained: whether they require a gradient.
    """

    def __init__(self, module: nn.Module, layout: ParamLayout, *, trained: bool) -> None:
        super().__init__()
        for spec in layout:
            *path, leaf = spec.name.split(".")
            node: nn.Module = self
            for part in path:
                if part not in node._modules:
                    node._modules[part] = nn.Module()
                node = node.get_submodule(part)
            node.register_parameter(leaf, nn.Parameter(module.get_parameter(spec.name).detach(), requires_grad=trained))

    def __getitem__(self, name: str) -> Tensor:
        owner, _, leaf = name.rpartition(".")
        value: Tensor = getattr(self.get_submodule(owner), leaf)  # a plain tensor where the base is itself generated
        return value


def assemble(
    combine: Combine,
    parts: Sequence[tuple[ParamSpec, Sequence[ParamSpec]]],
    weights: Weights,
    base: BaseWeights | None,
    names: Mapping[str, tuple[str, ...]],
) -> Weights:
    """Combine generated tensors, with the base if there is one, and fill the result in under several names.

    Args:
        combine: the rule.
        parts: for each parameter what is generated for it.
        weights: generated, ``(*contexts, *shape)``.
        base: kept values, for a combine that needs them.
        names: under which each parameter is wanted.
    """
    full: Weights = {}
    for spec, generated in parts:
        value = None if base is None else base[spec.name]
        tensor = combine([weights[part.name] for part in generated], value, spec.shape)
        full.update(dict.fromkeys(names[spec.name], tensor))
    return full
