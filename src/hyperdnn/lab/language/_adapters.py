"""What a hypernet needs for the adapters of a network in which the same modules come back in every layer."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.errors import LayoutError
from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.typing import Weights

__all__ = ["AdapterHead", "AdapterSlots"]


@final
class AdapterSlots(nn.Module):
    """Appends to the encoded context which adapter it is: embeddings of the kind of module and of the layer's depth.

    Args:
        kinds: of modules.
        layers: that have one of each.
        features: width of an embedding.

    Shape:
        ``(*contexts, d)`` -> ``(*contexts, kinds * layers, d + 2 * features)``; all layers of a kind follow each other.

    Source:
        Charakorn et al., "Text-to-LoRA", ICML 2025, section 3.
    """

    def __init__(self, kinds: int, layers: int, features: int) -> None:
        super().__init__()
        self.slots = kinds * layers
        self.features = 2 * features
        self.kinds = nn.Parameter(torch.randn(kinds, features))
        self.depths = nn.Parameter(torch.randn(layers, features))

    def forward(self, features: Float[Tensor, "*contexts d"]) -> Float[Tensor, "*contexts slots e"]:
        shape = (len(self.kinds), len(self.depths), -1)
        places = torch.cat([self.kinds.unsqueeze(1).expand(shape), self.depths.expand(shape)], dim=-1).flatten(0, 1)
        contexts = features.shape[:-1]
        rows = features.unsqueeze(-2).expand(*contexts, self.slots, features.shape[-1])
        return torch.cat([rows, places.expand(*contexts, -1, -1)], dim=-1)


@final
class AdapterHead(nn.Module):
    """Generates a module's adapter in each slot, all its tensors at once, and at first zero: for changes of a base.

    There is one linear map for each kind of module, which all layers share.

    Args:
        hidden: width of the features coming from the body.
        layout: LoRA of modules that have equal shapes in all layers: ``<layer>.<kind>.lora_a.weight`` and the like.

    Shape:
        features ``(*contexts, slots, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        LayoutError: some layer lacks a kind of module, or has it in another shape.

    Source:
        Charakorn et al., "Text-to-LoRA", ICML 2025, section 3 (the form L).
    """

    def __init__(self, hidden: int, layout: ParamLayout) -> None:
        super().__init__()
        self.hidden = hidden
        self.layout = layout
        self.places = _by_kind(layout)
        self.kinds, self.layers = len(self.places), len(next(iter(self.places.values())))
        self.slots = self.kinds * self.layers
        self.linears = nn.ModuleList(
            nn.Linear(hidden, sum(spec.numel for spec in modules[0])) for modules in self.places.values()
        )
        for parameter in self.linears.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Float[Tensor, "*contexts slots hidden"]) -> Weights:
        weights: Weights = {}
        by_kind = torch.split(features, self.layers, dim=-2)
        for linear, modules, rows in zip(self.linears, self.places.values(), by_kind, strict=True):
            for specs, numbers in zip(modules, linear(rows).unbind(-2), strict=True):
                pieces = torch.split(numbers, [spec.numel for spec in specs], dim=-1)
                for spec, piece in zip(specs, pieces, strict=True):
                    weights[spec.name] = piece.reshape(piece.shape[:-1] + spec.shape)
        return {name: weights[name] for name in self.layout.names}


def _by_kind(layout: ParamLayout) -> dict[str, list[list[ParamSpec]]]:
    """What is generated for each kind of module, layer by layer."""
    found: dict[str, dict[str, list[ParamSpec]]] = {}
    for spec in layout:
        module, lora, _ = spec.name.partition(".lora_")
        if not lora:
            raise LayoutError(f"'{spec.name}' is no LoRA. Select '*.lora_*'.")
        found.setdefault(module.rpartition(".")[2], {}).setdefault(module, []).append(spec)
    kinds = {kind: list(modules.values()) for kind, modules in found.items()}
    layers = len(next(iter(kinds.values())))
    for kind, modules in kinds.items():
        shapes = {tuple(spec.shape for spec in specs) for specs in modules}
        if len(modules) != layers or len(shapes) > 1:
            raise LayoutError(
                f"'{kind}': expected one in each of {layers} layers, of equal shapes, got {len(modules)}."
            )
    return kinds
