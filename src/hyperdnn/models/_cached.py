"""A model that remembers the weights of contexts that come again."""

from typing import Any, final

from torch import nn

from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.models._memory import Memory
from hyperdnn.typing import Context, Weights

__all__ = ["Cached"]


@final
class Cached(nn.Module):
    """A model for use under ``torch.no_grad()`` that generates the weights of a context once, for contexts that return.

    The verbs are those of the model, whose target and hypernet it shares. Kept are the weights of ``max_contexts``
    contexts, those used last: ``max_contexts * layout.numel`` numbers. They are forgotten when the hypernet changes;
    where gradients are wanted nothing is remembered (see `Memory`). For a single context that never changes, `bake` is
    faster still.

    Args:
        model: to use.
        max_contexts: how many contexts are kept.

    Raises:
        ConfigError: for room for less than one context, or for cells of images, stacks and mixtures, in which a row of
            the context does not make one set of weights.
    """

    def __init__(self, model: HyperDNN, *, max_contexts: int = 64) -> None:
        super().__init__()
        self.memory = Memory(model.hypernet, max_contexts)
        self.model = HyperDNN(model.target, self.memory)

    def generate(self, context: Context) -> Weights:
        """Weights of one context, or of many, remembered or generated."""
        return self.model.generate(context)

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        return self.model(*args, context=context, **kwargs)

    def paired(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """As `HyperDNN.paired`."""
        return self.model.paired(*args, context=context, **kwargs)

    def grouped(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """As `HyperDNN.grouped`."""
        return self.model.grouped(*args, context=context, **kwargs)

    def clear(self) -> None:
        """Forget everything."""
        self.memory.clear()
