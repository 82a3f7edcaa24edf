"""A start at which features neither die nor explode on their way through an encoder."""

from torch import nn

__all__ = ["keep_scale_"]


def keep_scale_(*layers: nn.Linear | nn.Conv2d) -> None:
    """Start layers so that their outputs have the mean square of their inputs, without offsets.

    Torch's default shrinks what differs between contexts layer by layer, until the offsets, equal for all, prevail.
    """
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
