"""Any module as an encoder."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_finite
from hyperdnn.errors import ConfigError, ContextError

__all__ = ["FromModule"]


@final
class FromModule(nn.Module):
    """Makes an encoder of a module that takes a single batch dimension: a convolutional net, a pretrained trunk.

    Context dimensions are folded into that one batch dimension and unfolded again, so the module may hold anything,
    batch normalisation included.

    Args:
        module: ``(batch, *shape)`` -> ``(batch, features)``.
        features: width of its output.
        context_dims: dimensions of one context, 3 for an image ``(channels, height, width)``.

    Shape:
        ``(*contexts, *shape)`` -> ``(*contexts, features)``.

    Raises:
        ContextError: if the context is no tensor or has too few dimensions, or the module makes a value of it that is
            not finite.
        ConfigError: if the module's output has another width than declared.
    """

    def __init__(self, module: nn.Module, features: int, *, context_dims: int = 1) -> None:
        super().__init__()
        self.module = module
        self.features = features
        self.context_dims = context_dims

    def forward(self, context: Tensor) -> Float[Tensor, "*contexts features"]:
        if not isinstance(context, Tensor):
            raise ContextError(f"a context of {type(self.module).__name__} is a tensor, got {type(context).__name__}.")
        lead = context.ndim - self.context_dims
        if lead < 0:
            raise ContextError(
                f"a context of {type(self.module).__name__} has {self.context_dims} dimensions, "
                f"got {tuple(context.shape)}."
            )
        contexts, shape = context.shape[:lead], context.shape[lead:]
        features: Tensor = self.module(context.reshape(contexts.numel(), *shape))
        if features.shape != (contexts.numel(), self.features):
            raise ConfigError(
                f"{type(self.module).__name__}: expected output ({contexts.numel()}, {self.features}), "
                f"got {tuple(features.shape)}."
            )
        rows = features.reshape(*contexts, self.features)
        check_finite(rows, type(self.module).__name__, "what it makes of the context")
        return rows
