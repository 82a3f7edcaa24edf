"""Where the optimiser would go next."""

import inspect
from collections import defaultdict
from collections.abc import Mapping
from copy import copy

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._gradients import is_divided, mean_gradients

__all__ = ["lookahead"]


def lookahead(
    loss: Tensor, optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The change that the optimiser's next step would make to some parameters, as constants.

    The step is torch's own, taken by a copy of the optimiser on copies of the parameters, so it is exact for every
    optimiser and option. It costs the loss's gradient and as much memory as the parameters and their moments. Several
    processes take it for the mean of their losses.

    Args:
        loss: a scalar; its graph is kept.
        optimizer: stays as it is, its moments included.
        parameters: by name; frozen ones, and those that the loss does not depend on, are left out of the result.

    Raises:
        ConfigError: the optimiser evaluates the loss several times in a step, or parameters are sharded.
    """
    if inspect.signature(optimizer.step).parameters["closure"].default is inspect.Parameter.empty:
        raise ConfigError(
            f"lookahead: {type(optimizer).__name__} evaluates the loss several times in a step, so its next change "
            "cannot be told from one gradient. Use Adam, AdamW or SGD."
        )
    trained = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    if any(map(is_divided, trained.values())):
        raise ConfigError(
            "lookahead: under strategy 'fsdp' no process has a whole parameter to take a step of. Use strategy 'ddp'."
        )
    own = torch.autograd.grad(loss, list(trained.values()), retain_graph=True, allow_unused=True)
    gradients = mean_gradients(own, list(trained.values()))
    copies: dict[Tensor, Tensor] = {}
    for parameter, gradient in zip(trained.values(), gradients, strict=True):
        if gradient is not None:
            copies[parameter] = parameter.detach().clone()
            copies[parameter].grad = gradient
    _copy_of(optimizer, copies).step()
    return {name: copies[p].detach() - p.detach() for name, p in trained.items() if p in copies}


def _copy_of(optimizer: torch.optim.Optimizer, copies: Mapping[Tensor, Tensor]) -> torch.optim.Optimizer:
    """The same optimiser, hooks left out, with the copies in place of the parameters."""
    other = copy(optimizer)
    other.param_groups = [
        {**group, "params": [copies[p] for p in group["params"] if p in copies]} for group in optimizer.param_groups
    ]
    other.state = defaultdict(dict)
    for parameter, stand_in in copies.items():
        if parameter in optimizer.state:
            moments = optimizer.state[parameter]
            other.state[stand_in] = {k: v.clone() if isinstance(v, Tensor) else v for k, v in moments.items()}
    return other
