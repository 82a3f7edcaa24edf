"""The network itself, trained as usual."""

from collections.abc import Callable
from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.lab.data import Batch
from hyperdnn.lab.train import State
from hyperdnn.layout import Count
from hyperdnn.typing import Context

__all__ = ["Plain", "plain_step"]


@final
class Plain(nn.Module):
    """A network under the call of a `HyperDNN`, so that one evaluation serves both. It generates nothing.

    Args:
        net: the network that would have been the target.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """Run the network; the context is ignored."""
        return self.net(*args, **kwargs)

    def ensemble(self, contexts: Tensor) -> Callable[[Tensor], Tensor]:
        """As `HyperDNN.ensemble`: the same network for each of ``(K, ...)`` contexts."""

        def members(x: Tensor) -> Tensor:
            output: Tensor = self.net(x)
            return output.expand(len(contexts), *output.shape)

        return members

    def count(self) -> Count:
        """Trained and deployed numbers; nothing is generated."""
        total = sum(p.numel() for p in self.parameters())
        trained = sum(p.numel() for p in self.parameters() if p.requires_grad)
        return Count(trained=trained, total=total, hypernet=0, generated=0, deployed=total)


def plain_step(model: nn.Module, batch: Batch, state: State) -> dict[str, Tensor]:
    """The cross-entropy of a classifier."""
    return {"loss": F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets)}
