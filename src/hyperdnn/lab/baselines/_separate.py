"""A network of its own for each context."""

from typing import final

import torch
from jaxtyping import Integer
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["Separate"]


@final
class Separate(nn.Module):
    """Looks each context's weights up: networks that share nothing, in the place of a hypernet.

    ``HyperDNN(target, Separate(5, target.layout))`` is what sharing by a hypernet is compared with, under the same
    calls. Costs ``contexts * layout.numel`` parameters.

    Args:
        contexts: how many networks.
        layout: what is looked up.
        init: how the weights start, drawn for each network anew.
        device: where to put them.
        dtype: their type.

    Shape:
        indices ``(*contexts)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: no context.
    """

    def __init__(
        self,
        contexts: int,
        layout: ParamLayout,
        *,
        init: initial.Init = initial.matched,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if contexts < 1:
            raise ConfigError(f"Separate: expected at least one context, got {contexts}.")
        self.contexts = contexts
        self.layout = layout
        self.tensors = nn.ParameterList(
            mean + std * torch.randn(contexts, *spec.shape, device=device, dtype=dtype)
            for spec, (mean, std) in zip(layout, init(layout), strict=True)
        )

    def forward(self, context: Integer[Tensor, "*contexts"]) -> Weights:
        return {name: tensor[context] for name, tensor in zip(self.layout.names, self.tensors, strict=True)}
