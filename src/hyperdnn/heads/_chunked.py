"""The flat vector, chunk by chunk."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.heads._generate import generate
from hyperdnn.heads._map import empty_map
from hyperdnn.heads._reuse import Reuse
from hyperdnn.heads._stream import slots_of, streamed
from hyperdnn.layout import ParamLayout, SlotPlan
from hyperdnn.nn import SlotSigns, TensorAffine
from hyperdnn.typing import Weights

__all__ = ["ChunkedHead"]


@final
class ChunkedHead(nn.Module):
    """Generates the flat vector in chunks of equal size, all with the same small linear map ("chunk-wise").

    Costs ``hidden * chunk`` parameters, however large the target. The last chunk is used up to the layout's end;
    `unused` says how many of its numbers are dropped.

    Args:
        hidden: width of the features coming from the body.
        layout: what to generate.
        chunk: numbers that one slot generates.
        init: how generated weights start.
        normalize: scale features to unit root mean square first; without it as for `FullHead`.
        signs: give each slot its own fixed signs (see `nn.SlotSigns`); matters where a chunk is not much longer than
            a row of the target's matrices.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, slots, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Source:
        von Oswald et al., "Continual learning with hypernetworks", ICLR 2020, section 2.
    """

    factored = ("linear.weight",)  # RankAdam takes its gradient as factors

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout,
        chunk: int,
        *,
        init: initial.Init = initial.matched,
        normalize: bool = True,
        signs: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        plan = SlotPlan.by_chunk(layout, chunk)
        self.hidden = hidden
        self.layout = layout
        self.chunk = chunk
        self.normalize = normalize
        self.slots = plan.slots
        self.unused = plan.unused
        self.signs = SlotSigns(plan.slots, hidden, device=device) if signs else None
        self._reuse = Reuse()
        self.linear = empty_map(hidden, chunk, device=device, dtype=dtype)
        initial.fill_unit_(self.linear)
        means, stds = zip(*init(layout), strict=True)
        self.affine = TensorAffine(means, stds, device=device, dtype=dtype)

    def forward(self, features: Float[Tensor, "*contexts slots hidden"]) -> Weights:
        features = self._signed(features)
        return generate(features, self.linear, self.layout, affine=self.affine, slotted=True, reuse=self._reuse)

    def stream(self, features: Float[Tensor, "*contexts slots hidden"]) -> Weights:
        """The same weights, each made only while it is read (see `nn.StreamedWeight`)."""
        make = slots_of(self.linear, self.layout, self.affine, self._reuse)
        return streamed(self._signed(features), self.layout, make, slotted=True)

    def _signed(self, features: Tensor) -> Tensor:
        if self.normalize:
            features = initial.unit_rms(features)
        return features if self.signs is None else self.signs(features)
