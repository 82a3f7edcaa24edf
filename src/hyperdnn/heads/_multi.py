"""One output map for each tensor."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.heads._map import empty_map
from hyperdnn.heads._resize import check_longer, extend_map_
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import Extension, Grown
from hyperdnn.typing import Weights

__all__ = ["MultiHead"]


@final
class MultiHead(nn.Module):
    """Generates each tensor with a linear map of its own ("multiple heads").

    As many parameters as `FullHead`. The maps can be trained, frozen or sharded one by one, and no flat vector is
    built.

    Args:
        hidden: width of the features coming from the body.
        layout: what to generate.
        init: how generated weights start.
        normalize: scale features to unit length first (see `FullHead`).
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Source:
        Chauhan et al., "A Brief Review of Hypernetworks in Deep Learning", 2024, section 3.2.
    """

    slots = None

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout,
        *,
        init: initial.Init = initial.matched,
        normalize: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.layout = layout
        self.normalize = normalize
        self.linears = nn.ModuleList(empty_map(hidden, n, device=device, dtype=dtype) for n in layout.sizes)
        for linear, moments in zip(self._maps(), init(layout), strict=True):
            length = 1.0 if normalize else hidden**0.5
            initial.fill_rows_(linear, [linear.out_features], [moments], length=length)

    def start_at_(self, flat: Float[Tensor, " numel"]) -> None:
        """Generate these weights for every context (see `init.from_target_`)."""
        for linear, values in zip(self._maps(), torch.split(flat, list(self.layout.sizes)), strict=True):
            nn.init.zeros_(linear.weight)
            linear.bias.copy_(values)

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """None: this head has no slots."""
        check_longer(self.layout, layout, self.linears)
        return ()

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows (see `HyperDNN.resize`)."""
        self.new_slots(layout)
        sizes = zip(self._maps(), self.layout.sizes, layout.sizes, strict=True)
        grown = [one for linear, old, new in sizes for one in extend_map_(linear, [old], [new])]
        self.layout = layout
        return grown

    def forward(self, features: Float[Tensor, "*contexts hidden"]) -> Weights:
        if self.normalize:
            features = initial.unit_length(features)
        contexts = features.shape[:-1]
        return {
            spec.name: linear(features).reshape(contexts + spec.shape)
            for spec, linear in zip(self.layout, self._maps(), strict=True)
        }

    def _maps(self) -> list[nn.Linear]:
        return [linear for linear in self.linears if isinstance(linear, nn.Linear)]
