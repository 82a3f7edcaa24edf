"""Networks side by side, one for each context."""

from collections.abc import Sequence
from typing import Any, final

from torch import Tensor, nn

__all__ = ["Several"]


@final
class Several(nn.Module):
    """A network for each context, under the call of a `HyperDNN` with one context. They share nothing.

    Those that a step does not call get no gradient, not even a zero one: each is trained as it would be alone. Where
    weights of all contexts are wanted in one pass, `Separate` serves better.

    Args:
        networks: in the order of the contexts.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, *args: Any, context: Tensor, **kwargs: Any) -> Any:
        """Run the network with that index."""
        return self.networks[int(context)](*args, **kwargs)
