"""Many plain networks, trained in one pass."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.targets import Policy, Target
from hyperdnn.typing import Context

__all__ = ["Many"]


@final
class Many(nn.Module):
    """Networks of one kind with weights of their own: what one hypernet of as many contexts is compared with.

    Of networks that differ in their start alone it makes a deep ensemble, under the calls of a `HyperDNN`. They run as
    one batch, not in a loop. A step on the sum of their losses is the step that each would take on its own
    under SGD, Adam and AdamW; ``train.clip_norm`` would tie them together.

    Args:
        nets: fresh networks, equal but for their numbers; the first one is taken over.
        buffers: whose the running statistics of normalisation layers are (see `Target`).

    Shape:
        outputs ``(networks, ...)``, as of `Target.batched` with as many contexts.

    Raises:
        ConfigError: no network, or networks with other parameters than the first.

    Source:
        Lakshminarayanan, Pritzel & Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles", NeurIPS 2017.
    """

    def __init__(self, nets: Iterable[nn.Module], *, buffers: Policy | None = None) -> None:
        super().__init__()
        nets = list(nets)
        if not nets:
            raise ConfigError("nets: expected at least one network.")
        values = [dict(net.named_parameters()) for net in nets]
        shapes = [{name: tuple(p.shape) for name, p in one.items()} for one in values]
        for index, one in enumerate(shapes):
            if one != shapes[0]:
                raise ConfigError(
                    f"nets: network {index} has other parameters than the first. Build all of them alike."
                )
        layout = ParamLayout.of(nets[0])
        starts = [layout.join({name: one[name].detach() for name in layout.names}) for one in values]
        self.rows = nn.Parameter(torch.stack(starts))
        self.target = Target(nets[0], buffers=buffers)

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """Run all networks, as `Target.batched` does; the context is ignored."""
        return self.target.batched(self.target.layout.split(self.rows), *args, **kwargs)

    def ensemble(self, contexts: Tensor) -> Callable[..., Any]:
        """As `HyperDNN.ensemble`: one network for each of ``(K, ...)`` contexts, all of them in turn."""
        rows = self.rows[torch.arange(len(contexts), device=self.rows.device) % len(self.rows)]
        return partial(self.target.batched, self.target.layout.split(rows), data_dims=None)
