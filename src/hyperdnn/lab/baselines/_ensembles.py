"""Several plain networks as one model."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.models import keep_dropout
from hyperdnn.targets import Target
from hyperdnn.typing import Context

__all__ = ["DeepEnsemble", "MCDropout"]


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


@final
class DeepEnsemble(nn.Module):
    """Networks of one kind, each with its own start, trained and run at once, under the calls of a `HyperDNN`.

    Args:
        nets: one for each member, without buffers of their own; the first is taken over.

    Raises:
        ConfigError: there is no network.

    Source:
        Lakshminarayanan, Pritzel & Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles", NeurIPS 2017.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        if not nets:
            raise ConfigError("nets: expected at least one network.")
        layout = ParamLayout.of(nets[0])
        starts = [layout.join({name: net.get_parameter(name).detach() for name in layout.names}) for net in nets]
        self.rows = nn.Parameter(torch.stack(starts))
        self.target = Target(nets[0])

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """Run each member on its own batch ``(members, n, ...)``; the context is ignored."""
        return self.target.batched(self.target.layout.split(self.rows), *args, **kwargs)

    def ensemble(self, contexts: Tensor) -> Callable[..., Any]:
        """As `HyperDNN.ensemble`: one member for each of ``(K, ...)`` contexts, all of them in turn."""
        rows = self.rows[torch.arange(len(contexts), device=self.rows.device) % len(self.rows)]
        return partial(self.target.batched, self.target.layout.split(rows), data_dims=None)
