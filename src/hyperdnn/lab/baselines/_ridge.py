"""Linear regression with penalties, solved."""

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["ridge"]


def ridge(
    inputs: Float[Tensor, "samples features"],
    targets: Float[Tensor, "samples outputs"],
    penalties: Float[Tensor, "*any penalties"],
) -> Float[Tensor, "*any weights"]:
    """The linear layer that minimises the mean squared error plus each square of a weight times its penalty.

    The mean is over samples and outputs; biases are weights. Solved in double precision by a system as large as the
    samples are many, for each output with penalties of its own: for few samples of many features.

    Args:
        inputs: one row for each sample.
        targets: one row for each sample.
        penalties: more than 0, one for all weights or one for each, in the order of the result.

    Returns:
        The numbers of an ``nn.Linear(features, outputs)``, weight before bias, in the type of the targets.

    Raises:
        ConfigError: neither one penalty nor one for each weight.

    Source:
        Hoerl & Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970.
    """
    ones = torch.ones(len(inputs), 1, dtype=torch.float64, device=inputs.device)
    x, y = torch.cat([inputs.double(), ones], dim=-1), targets.double()
    features, outputs = inputs.shape[-1], targets.shape[-1]
    number = outputs * (features + 1)
    if penalties.shape[-1] == 1:
        rows = penalties.double().unsqueeze(-1).expand(*penalties.shape[:-1], 1, features + 1)
    elif penalties.shape[-1] == number:
        matrix, bias = penalties[..., :-outputs].double(), penalties[..., -outputs:].double()
        rows = torch.cat([matrix.reshape(*bias.shape, features), bias.unsqueeze(-1)], dim=-1)
    else:
        raise ConfigError(f"penalties: expected 1 or one for each of {number} weights, got {penalties.shape[-1]}.")
    scaled = x / rows.unsqueeze(-2)  # (*any, rows, samples, features + 1)
    system = scaled @ x.mT + y.numel() * torch.eye(len(x), dtype=x.dtype, device=x.device)
    by_row = y.mT.reshape(rows.shape[-2], -1, len(x)).mT  # (rows, samples, outputs that share them)
    solved = (torch.linalg.solve(system, by_row).mT @ scaled).flatten(-3, -2)  # (*any, outputs, features + 1)
    return torch.cat([solved[..., :-1].flatten(-2), solved[..., -1]], dim=-1).to(targets)
