"""An encoder that is not trained."""

from typing import final

from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.typing import Context

__all__ = ["Frozen"]


@final
class Frozen(nn.Module):
    """Keeps an encoder as it is: no gradient for its parameters, and evaluation mode whatever ``train()`` says.

    For a pretrained trunk: ``Frozen(FromModule(trunk, 512, context_dims=3))``. A context that itself is trained still
    gets its gradient, and where none is wanted autograd keeps nothing.

    Args:
        encoder: the encoder to keep; it declares its ``features``.

    Shape:
        as the encoder's.

    Raises:
        ConfigError: if the encoder does not declare its width.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        width = getattr(encoder, "features", None)
        if not isinstance(width, int):
            raise ConfigError(
                f"Frozen: {type(encoder).__name__} does not declare its features. Wrap it: encoders.FromModule(...)."
            )
        self.encoder = encoder.requires_grad_(False).eval()
        self.features = width
        self.tokens = getattr(encoder, "tokens", False) is True
        self.adds_contexts: int = getattr(encoder, "adds_contexts", 0)

    def train(self, mode: bool = True) -> "Frozen":
        """Set the mode of this module; its encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, context: Context) -> Tensor | tuple[Tensor, Tensor]:
        features: Tensor | tuple[Tensor, Tensor] = self.encoder(context)
        return features
