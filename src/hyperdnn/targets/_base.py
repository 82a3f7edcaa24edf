"""The base weights that a change is added to, and the sum of both."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, final

from torch import Tensor, nn

from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.protocols import Combine
from hyperdnn.typing import Weights

__all__ = ["BaseWeights", "Parts", "assemble", "layout_of", "parts_of"]

Parts: TypeAlias = Sequence[tuple[ParamSpec, Sequence[ParamSpec]]]
"""For each parameter what is generated for it."""


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


def parts_of(combine: Combine, replaced: ParamLayout) -> Parts:
    """Divide each parameter that is taken away into what a combine wants to have generated for it."""
    return [(spec, tuple(combine.specs(spec))) for spec in replaced]


def layout_of(parts: Parts) -> ParamLayout:
    """All that is generated."""
    return ParamLayout(tuple(part for _, generated in parts for part in generated))


def assemble(
    combine: Combine,
    parts: Parts,
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
