"""One verb of a model as a module."""

from collections.abc import Callable
from typing import Any, final

from torch import nn

__all__ = ["Verb"]


@final
class Verb(nn.Module):
    """A module whose call is one verb of a model, or any function of it: what to wrap in ``DistributedDataParallel``.

    A wrapper sees ``forward`` alone: gradients of a verb that is called past it are never averaged, and nothing says
    so. ``DistributedDataParallel(Verb(model, HyperDNN.grouped))`` is called as ``model.grouped`` would be. A function
    may use as many verbs as it likes, up to a whole loss: ``Verb(model, loss)(batch)`` is ``loss(model, batch)``.

    Args:
        model: passed first.
        function: an unbound method of the model's class, or a function.
    """

    def __init__(self, model: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.model, *args, **kwargs)
