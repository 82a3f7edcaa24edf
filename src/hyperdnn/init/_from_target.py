"""Start at the target's own initial or pretrained weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout import ParamLayout

__all__ = ["from_target_"]


@torch.no_grad()
def from_target_(head: nn.Module, values: nn.Module | Mapping[str, Tensor]) -> None:
    """Bias-HyperInit: every context starts at the same, given weights; gradients then make them differ.

    The head's weight becomes zero and its bias the values. Call it before a `Target` takes the module over, or pass a
    copy of its ``state_dict``.

    Args:
        head: one with a bias for every generated number (``head.start_at_``): `FullHead`, `MultiHead`, and `Join` and
            `Linked` of these. The others share their biases between weights, or multiply what they generate.
        values: the module, or name -> tensor.

    Raises:
        ConfigError: if the head has no bias for each weight; use ``combine=Residual()`` there.
        LayoutError: if a generated tensor is missing from the values, or has another shape.

    Source:
        Beck et al., "Hypernetworks in Meta-Reinforcement Learning", CoRL 2022, section 4.
    """
    start_at_ = getattr(head, "start_at_", None)
    if start_at_ is None:
        raise ConfigError(
            f"{type(head).__name__} cannot hold a starting value for each weight. "
            "Use Target(..., combine=targets.Residual()), which starts at the target's weights with any head."
        )
    layout = head.layout
    assert isinstance(layout, ParamLayout)
    if isinstance(values, nn.Module):
        values = dict(values.named_parameters(remove_duplicate=False))
    missing = [name for name in layout.names if name not in values]
    if missing:
        raise LayoutError(
            f"'{missing[0]}' has no starting value. A Target removes generated weights from its module: "
            "call from_target_ before, or pass a copy of the state_dict."
        )
    if layout.check({name: values[name] for name in layout.names}):
        raise LayoutError("the starting values have context dimensions: every context starts at the same ones.")
    start_at_(layout.join({name: values[name].detach() for name in layout.names}))
