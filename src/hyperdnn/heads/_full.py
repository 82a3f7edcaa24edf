"""All weights at once."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.heads._generate import generate
from hyperdnn.heads._map import empty_map
from hyperdnn.heads._resize import check_longer, extend_map_
from hyperdnn.heads._reuse import Reuse
from hyperdnn.heads._stream import rows_of, streamed
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import Extension, Grown
from hyperdnn.typing import Weights

__all__ = ["FullHead"]


@final
class FullHead(nn.Module):
    """Generates all weights at once with one linear map ("generate once").

    Costs ``hidden * layout.numel`` parameters: above a few million numbers prefer `ChunkedHead`.

    Args:
        hidden: width of the features coming from the body.
        layout: what to generate.
        init: how generated weights start.
        normalize: scale features to unit length first (see `init.unit_length`). Without it the head is linear in its
            features, and the initial variance is right only if they have unit root mean square by themselves.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Source:
        Ha, Dai & Le, "HyperNetworks", ICLR 2017, section 3.1.
    """

    slots = None
    factored = ("linear.weight",)  # RankAdam takes its gradient as factors

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
        self._reuse = Reuse()
        self.linear = empty_map(hidden, layout.numel, device=device, dtype=dtype)
        initial.fill_rows_(self.linear, layout.sizes, init(layout), length=1.0 if normalize else hidden**0.5)

    def start_at_(self, flat: Float[Tensor, " numel"]) -> None:
        """Generate these weights for every context (see `init.from_target_`)."""
        nn.init.zeros_(self.linear.weight)
        self.linear.bias.copy_(flat)

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """None: this head has no slots."""
        check_longer(self.layout, layout, self.linear)
        return ()

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows (see `HyperDNN.resize`)."""
        self.new_slots(layout)
        grown = extend_map_(self.linear, self.layout.sizes, layout.sizes)
        self.layout = layout
        return grown

    def forward(self, features: Float[Tensor, "*contexts hidden"]) -> Weights:
        if self.normalize:
            features = initial.unit_length(features)
        return generate(features, self.linear, self.layout, reuse=self._reuse)

    def stream(self, features: Float[Tensor, "*contexts hidden"]) -> Weights:
        """The same weights, each made only while it is read (see `nn.StreamedWeight`)."""
        if self.normalize:
            features = initial.unit_length(features)
        return streamed(features, self.layout, rows_of(self.linear, self.layout), slotted=False)
