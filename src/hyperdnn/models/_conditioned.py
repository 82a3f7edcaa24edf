"""A model as a layer, conditioned on its own input."""

from typing import Any, final

from torch import nn

from hyperdnn.errors import BufferPolicyError, ContextError
from hyperdnn.models._hyperdnn import HyperDNN

__all__ = ["Conditioned"]


@final
class Conditioned(nn.Module):
    """Generates a layer's weights from what the layer is given: ``model.paired(x, context=x)``, for each sample alone.

    A plain module with a batch in front, so it may stand anywhere: between other layers, inside a target whose other
    weights are generated, or as a whole network. `targets.attach_conditioned` puts it in place of layers.

    Weights are generated for every sample in every call, ``layout.numel`` numbers each, so generate few of them (by
    ``select`` or a combine), or from few features.

    Args:
        model: the layer as its target, and a hypernet whose encoder reads the layer's input.

    Shape:
        ``(batch, ...)``, more inputs alike -> as the layer gives it, batch in front.

    Raises:
        BufferPolicyError: for a target with ``buffers="per_context"``: nobody passes a layer its running statistics.
        ContextError: for a single sample without a batch.

    Source:
        De Brabandere, Jia, Tuytelaars & Van Gool, "Dynamic Filter Networks", NeurIPS 2016; Yang, Bender, Le & Ngiam,
        "CondConv: Conditionally Parameterized Convolutions for Efficient Inference", NeurIPS 2019.
    """

    def __init__(self, model: HyperDNN) -> None:
        super().__init__()
        if model.target.buffers_policy == "per_context":
            raise BufferPolicyError(
                'Conditioned: with buffers="per_context" somebody must pass the running statistics. '
                'Use buffers="frozen", "batch" or "shared" for the layer.'
            )
        self.model = model

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        weights = self.model.generate(x)
        if not self.model.target.layout.check(weights):
            raise ContextError("Conditioned: the input is a single sample: expected a batch in front, as of x[None].")
        return self.model.target.paired(weights, x, *args, **kwargs)
