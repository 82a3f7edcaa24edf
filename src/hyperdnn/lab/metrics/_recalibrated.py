"""Accuracy of a network whose statistics of normalisation are not its own."""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

__all__ = ["recalibrated_accuracy"]

_PORTION = 1000  # images in a pass


@torch.no_grad()
def recalibrated_accuracy(
    network: nn.Module,
    calibration: Iterable[Tensor],
    inputs: Float[Tensor, "samples ..."],
    targets: Int[Tensor, " samples"],
) -> float:
    """The share of samples that are classified correctly, after running statistics are measured anew.

    For weights that came from elsewhere, or were trained under other statistics. They become the plain means of those
    of the batches, whatever they were before (``torch.optim.swa_utils.update_bn``), and are left in the network, which
    is left in evaluation mode.

    Args:
        network: its layers of batch normalisation are measured.
        calibration: batches of inputs, of training data.
        inputs: what is classified.
        targets: the classes.
    """
    update_bn(calibration, network)
    network.eval()
    correct = sum(
        int((network(x).argmax(-1) == y).sum())
        for x, y in zip(torch.split(inputs, _PORTION), torch.split(targets, _PORTION), strict=True)
    )
    return correct / len(targets)
