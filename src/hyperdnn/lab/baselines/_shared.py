"""One network for all contexts, but for a part."""

from typing import final

import torch
from jaxtyping import Integer
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.lab.baselines._separate import Separate
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["Shared"]


@final
class Shared(nn.Module):
    """Looks weights up that are the same for all contexts, but for a part of each context's own, such as output layers.

    Stands in the place of a hypernet, as `Separate` does, which shares nothing: a network with several heads under the
    calls of a `HyperDNN`. What is shared is stored once and repeated for each context.

    Args:
        contexts: how many networks.
        layout: what is looked up.
        own: a glob over names: what each context has for itself.
        init: how the weights start.
        device: where to put them.
        dtype: their type.

    Shape:
        indices ``(*contexts)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: no context.
        LayoutError: the glob matches nothing, or everything.
    """

    def __init__(
        self,
        contexts: int,
        layout: ParamLayout,
        *,
        own: str,
        init: initial.Init = initial.matched,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.contexts = contexts
        self.layout = layout
        mine = layout.select(own)
        common = layout.select(lambda spec: spec.name not in mine)
        self.own = Separate(contexts, mine, init=init, device=device, dtype=dtype)
        self.common = Separate(1, common, init=init, device=device, dtype=dtype)

    def forward(self, context: Integer[Tensor, "*contexts"]) -> Weights:
        weights = {**self.common(torch.zeros_like(context)), **self.own(context)}
        return {name: weights[name] for name in self.layout.names}
