"""A few gradient steps that can be differentiated: the inner loop of meta-learning."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["TaskLoss", "adapt"]

TaskLoss: TypeAlias = Callable[..., Tensor]
"""Tensors by name, then the data of one task -> its loss, a scalar."""


def adapt(
    loss: TaskLoss,
    start: Mapping[str, Tensor],
    *data: Tensor,
    rates: Tensor,
    steps: int,
    first_order: bool = False,
) -> list[dict[str, Tensor]]:
    """Take some steps of gradient descent for each of many tasks, all tasks in one mapped pass.

    Whatever the loss depends on can be adapted: weights, embeddings, latent vectors. The result depends on `start`, on
    the rates and on everything else in the loss, and can be differentiated; inside ``torch.no_grad()`` steps are taken
    all the same, and their graph is not kept. The graph of all steps is held until the backward pass.

    Args:
        loss: tensors and the data of one task -> its loss. Called under ``torch.vmap``: it cannot read values.
        start: what is adapted, by name, the same for all tasks.
        data: the tasks' data, each ``(tasks, ...)``.
        rates: learning rates, one for all tensors ``()`` or one for each ``(tensors,)``; may be trained.
        steps: how many, 0 or more.
        first_order: take the inner gradients for constants. Saves the second derivative, and biases the outer gradient.

    Returns:
        The tensors after 0, 1, ..., `steps` steps, each ``(tasks, *shape)``.

    Raises:
        ConfigError: nothing to adapt, no data, rates that do not fit, or a negative number of steps.

    Source:
        Finn, Abbeel & Levine, "Model-agnostic meta-learning for fast adaptation of deep networks", ICML 2017; one
        trained rate for each tensor as in Antoniou, Edwards & Storkey, "How to train your MAML", ICLR 2019.
    """
    _check(start, data, rates, steps)
    tasks = len(data[0])
    rate = dict(zip(start, rates.expand(len(start)).unbind(), strict=True))
    slope = torch.vmap(torch.func.grad(loss), randomness="different")
    tensors = {name: tensor.expand(tasks, *tensor.shape) for name, tensor in start.items()}
    if not tasks:
        return [tensors] * (steps + 1)  # torch maps few losses over nothing
    after = [tensors]
    for _ in range(steps):
        gradients = slope({name: t.detach() for name, t in tensors.items()} if first_order else tensors, *data)
        if first_order:
            gradients = {name: gradient.detach() for name, gradient in gradients.items()}
        tensors = {name: tensor - rate[name] * gradients[name] for name, tensor in tensors.items()}
        after.append(tensors)
    return after


def _check(start: Mapping[str, Tensor], data: tuple[Tensor, ...], rates: Tensor, steps: int) -> None:
    if not start or not data:
        raise ConfigError(f"adapt: nothing {'to adapt' if not start else 'to adapt to: no data'}.")
    if len({len(tensor) for tensor in data}) > 1:
        raise ConfigError(f"adapt: expected data of equally many tasks, got {[len(tensor) for tensor in data]}.")
    if rates.shape not in {(), (len(start),)}:
        raise ConfigError(
            f"adapt: expected one rate () or one for each tensor ({len(start)},), got {tuple(rates.shape)}."
        )
    if steps < 0:
        raise ConfigError(f"adapt: expected 0 steps or more, got {steps}.")
