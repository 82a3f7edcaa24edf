"""Keep a plain network's weights where earlier tasks need them."""

from collections.abc import Callable
from copy import deepcopy
from typing import TypeAlias

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.targets import Target

__all__ = ["Elastic", "elastic_change", "remember_elastic"]

Elastic: TypeAlias = dict[str, dict[str, Tensor]]
"""``"weights"`` as they were, and the ``"importance"`` of each number, both by name."""


def remember_elastic(
    net: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    earlier: Elastic | None = None,
    decay: float = 1.0,
) -> Elastic:
    """The network's weights, and how much each of them matters for the task just learnt: online EWC.

    Importance is the diagonal of the empirical Fisher information, the mean square of one sample's gradient, added to
    the earlier one. It costs one backward pass, and a copy of the weights for each sample: a few hundred samples are
    enough. Recurrent layers are supported.

    Args:
        net: without running statistics; runs in evaluation mode and stays as it is.
        inputs: samples of the task.
        targets: theirs.
        loss: outputs and targets of a batch of one -> its negative log-likelihood.
        earlier: what was remembered before.
        decay: of the earlier importance; 1 forgets nothing.

    Raises:
        ConfigError: no sample.

    Source:
        Schwarz et al., "Progress & Compress", ICML 2018, section 4.1 (online EWC); Kirkpatrick et al., "Overcoming
        catastrophic forgetting in neural networks", PNAS 2017.
    """
    if not len(inputs):
        raise ConfigError("inputs: expected at least one sample.")
    weights = {name: p.detach().clone() for name, p in net.named_parameters()}
    target = Target(deepcopy(net)).eval()

    def of_one(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(target(weights, x.unsqueeze(0)), y.unsqueeze(0))

    gradients = torch.func.vmap(torch.func.grad(of_one), in_dims=(None, 0, 0))(weights, inputs, targets)
    importance = {name: g.square().mean(0) for name, g in gradients.items()}
    if earlier is not None:
        importance = {name: decay * earlier["importance"][name] + one for name, one in importance.items()}
    return {"weights": weights, "importance": importance}


def elastic_change(net: nn.Module, memory: Elastic | None) -> Tensor:
    """How far the weights have moved: half their squared distance, each number counted by its importance.

    Args:
        net: what is trained.
        memory: from `remember_elastic`; without one the distance is 0.
    """
    parameters = dict(net.named_parameters())
    if not memory:
        return torch.zeros((), device=next(iter(parameters.values())).device)
    terms = [
        (importance * (parameters[name] - memory["weights"][name]).square()).sum()
        for name, importance in memory["importance"].items()
    ]
    return torch.stack(terms).sum() / 2
