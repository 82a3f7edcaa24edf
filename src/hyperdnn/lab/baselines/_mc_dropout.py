"""A network whose dropout draws others."""

from collections.abc import Callable
from typing import Any, final

from torch import Tensor, nn

from hyperdnn.models import keep_dropout
from hyperdnn.typing import Context

__all__ = ["MCDropout"]


@final
class MCDropout(nn.Module):
    """A network whose dropout stays on when it predicts, under the calls of a `HyperDNN`.

    Each draw takes a mask of its own for every sample: unlike those of a hypernet, the draws are no functions.

    Args:
        net: with dropout in it.

    Raises:
        ConfigError: there is none that could stay on.

    Source:
        Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        with keep_dropout(net):  # refuses a network without dropout now, not when it has been trained
            self.net = net

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """Run the network in the mode it is in; the context is ignored."""
        return self.net(*args, **kwargs)

    def ensemble(self, contexts: Tensor) -> Callable[[Tensor], Tensor]:
        """As `HyperDNN.ensemble`: one draw for each of ``(K, ...)`` contexts, ``(B, ...)`` -> ``(K, B, ...)``."""

        def draws(x: Tensor) -> Tensor:
            with keep_dropout(self.net):
                outputs: Tensor = self.net(x.expand(len(contexts), *x.shape).flatten(0, 1))
            return outputs.view(len(contexts), len(x), *outputs.shape[1:])

        return draws
