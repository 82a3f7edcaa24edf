"""What stacks of layers have in common."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.nn import Residual

__all__ = ["check_stack", "stack", "start_"]

_NORMS = ("none", "layer")


def check_stack(body: str, features: int, widths: tuple[int, ...], *, norm: str, residual: bool) -> None:
    """Refuse widths and options that make no stack.

    Raises:
        ConfigError: naming the body.
    """
    if not widths:
        raise ConfigError(f"{body} needs at least one width, as in {body}(7, 32).")
    if norm not in _NORMS:
        raise ConfigError(f"norm '{norm}' is unknown.{nearest(norm, _NORMS)}")
    if residual and not _branches((features, *widths)):
        raise ConfigError(f"residual: no layer of {body}{(features, *widths)} is as wide as its input. Repeat a width.")


@torch.no_grad()
def start_(linear: nn.Linear, gain: float, *, offset: bool) -> None:
    """Fill a layer so that it keeps the second moment of its inputs, of which the activation behind takes ``gain``.

    With ``offset`` the bias starts like the weights of one more input that is always one, otherwise at zero. The layer
    that reads the context has one: homogeneous layers without see no more of a context than its direction once a head
    brings features to unit length, and all positive numbers would start with the same weights.
    """
    std = gain / (linear.in_features + offset) ** 0.5  # torch's default would shrink the features layer by layer
    nn.init.normal_(linear.weight, std=std)
    if offset:
        nn.init.normal_(linear.bias, std=std)
    else:
        nn.init.zeros_(linear.bias)


def stack(
    maps: Sequence[nn.Module],
    sizes: tuple[int, ...],
    activation: Callable[[], nn.Module],
    *,
    norm: str,
    dropout: float,
    residual: bool,
) -> nn.Sequential:
    """Each map, its norm, its activation and its dropout, one after the other.

    Args:
        maps: with trained parameters, each from one width to the next.
        sizes: the widths: of the input, then of each map's output.
        activation: makes one.
        norm: ``"layer"`` for a layer norm before the activation.
        dropout: share of each layer's output that is dropped in training.
        residual: add each layer's input to its output, over their number, where the two are equally wide.
    """
    scale = 1 / max(_branches(sizes), 1)
    layers: list[nn.Module] = []
    for inputs, outputs, made in zip(sizes, sizes[1:], maps, strict=False):
        layer = [made]
        if norm == "layer":
            like = next(made.parameters())
            layer.append(nn.LayerNorm(outputs, device=like.device, dtype=like.dtype))
        layer.append(activation())
        if dropout:
            layer.append(nn.Dropout(dropout))
        layers += [Residual(*layer, scale=scale)] if residual and inputs == outputs else layer
    return nn.Sequential(*layers)


def _branches(sizes: tuple[int, ...]) -> int:
    return sum(inputs == outputs for inputs, outputs in pairwise(sizes))
