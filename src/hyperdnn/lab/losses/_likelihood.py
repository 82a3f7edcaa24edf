"""What a prediction with its own noise says about the data."""

import math

from jaxtyping import Float
from torch import Tensor

__all__ = ["gaussian_nll"]


def gaussian_nll(
    outputs: Float[Tensor, "*networks samples two"], targets: Float[Tensor, " samples"]
) -> Float[Tensor, "*networks samples"]:
    """Minus the log-density of numbers under predicted Gaussians, in nats.

    Args:
        outputs: mean and log-deviation side by side, as `baselines.WithNoise` gives them.
        targets: what was observed.
    """
    mean, log_scale = outputs.unbind(-1)
    return ((targets - mean) / log_scale.exp()).square() / 2 + log_scale + math.log(2 * math.pi) / 2
