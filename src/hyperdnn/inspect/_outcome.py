"""What generated networks put out on a probe's data."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hyperdnn._torch import tree_leaves
from hyperdnn.errors import BufferPolicyError, ConfigError, ContextError
from hyperdnn.inspect._coordinates import Coordinates
from hyperdnn.inspect._probe import Probe
from hyperdnn.models import HyperDNN
from hyperdnn.nn import StreamedWeight
from hyperdnn.targets import Gaussian
from hyperdnn.targets._call import Mode
from hyperdnn.typing import Weights

__all__ = ["Mode", "first_tensor", "generated", "loss_of", "outputs", "portions", "rms", "solid"]

_NUMBERS = 2**25
"""In a portion of networks, weights and activations together: some hundred megabytes."""

_ACTIVATIONS = 64
"""Numbers that a target holds for each number of its input; a guess that only bounds memory."""


def portions(model: HyperDNN, networks: int, probes: tuple[Probe, ...]) -> Iterator[slice]:
    """Networks that are held in memory together, in order."""
    inputs = max((probe.inputs.numel() for probe in probes), default=0)
    step = max(_NUMBERS // max(model.target.layout.numel + _ACTIVATIONS * inputs, 1), 1)
    for first in range(0, networks, step):
        yield slice(first, min(first + step, networks))


def generated(where: Coordinates, rows: Tensor, model: HyperDNN) -> Weights:
    """Weights ``(n, *shape)`` at rows ``(n, d)``.

    Raises:
        ContextError: if a row makes several networks, such as an image's cells.
    """
    weights = where.generate(rows)
    dims = model.target.layout.check(weights)
    if len(dims) != 1:
        raise ContextError(
            f"each context makes weights for {tuple(dims[1:])} cells, which are no network of their own: only a "
            "context of a single network can be looked at here."
        )
    return solid(weights)


def solid(weights: Weights) -> Weights:
    """Plain tensors, also of a hypernet that streams them."""
    return {name: tensor.clone() if isinstance(tensor, StreamedWeight) else tensor for name, tensor in weights.items()}


def outputs(model: HyperDNN, weights: Weights, probe: Probe, mode: Mode) -> Tensor:
    """What networks ``(k, ...)`` put out on the probe's inputs: ``(k, n, ...)``.

    A distribution over weights runs its mean. Of several outputs the first floating-point tensor counts.

    Raises:
        BufferPolicyError: if every context has running statistics of its own, which nobody passed.
        ConfigError: if there is no floating-point output.
    """
    target = model.target
    if isinstance(target.combine, Gaussian):
        weights = target.combine.at_mean(weights)
    if target.buffers_policy == "per_context" and target.initial_buffers(0):
        raise BufferPolicyError(
            'buffers="per_context": the networks have running statistics of their own, which are not part of the '
            "model. Leave probes out: generated weights alone can be looked at."
        )
    return first_tensor(target.batched(weights, probe.inputs, data_dims=None, randomness="same", mode=mode), probe)


def first_tensor(found: Any, probe: Probe) -> Tensor:
    """The first floating-point tensor of what a target returns, such as the scores of a language model.

    Of its numbers those that answer the probe.

    Raises:
        ConfigError: if there is none.
    """
    for leaf in tree_leaves(found):
        if isinstance(leaf, Tensor) and leaf.is_floating_point():
            return leaf if probe.answer is None else probe.answer(leaf)
    raise ConfigError(
        f"probe '{probe.name}': the target returns {type(found).__name__} without a floating-point tensor."
    )


def loss_of(probe: Probe, found: Tensor) -> Tensor:
    """The loss of each of several networks' outputs ``(k, n, ...)``; nan for a probe without a loss.

    Raises:
        ConfigError: if it is not one number for a network.
    """
    if probe.loss is None:
        return torch.full((len(found),), math.nan, dtype=torch.float64)
    # One by one: a loss is anybody's function, which vmap may not be able to follow.
    losses = [torch.as_tensor(probe.measured(one)).detach().double().cpu() for one in found]
    if any(loss.numel() != 1 for loss in losses):
        raise ConfigError(
            f"probe '{probe.name}': expected a loss of one number, got {tuple(losses[0].shape)}. Take its mean."
        )
    return torch.stack([loss.reshape(()) for loss in losses])


def rms(rows: Tensor) -> Tensor:
    """Root mean square of each row's numbers; zero for a row without numbers."""
    flat = rows.detach().flatten(1).double().cpu()
    return flat.square().sum(1).div(max(flat.shape[1], 1)).sqrt()
