"""A bound on the gradient that enters a hypernet."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn._torch import unmapped
from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["clip_gradient"]


def clip_gradient(weights: Weights, layout: ParamLayout, max_norm: float) -> Weights:
    """The same weights, whose gradient is scaled down to a norm on its way back into the hypernet.

    The norm is taken over all tensors of one context together, so that directions stay and no context silences another:
    after ``torch.nn.utils.clip_grad_norm_``, which bounds the hypernet's own gradient, one context that explodes leaves
    nothing of the others. Costs about two passes over the gradient. What is not finite stays so, and second derivatives
    are scaled on their way like first ones. It needs all tensors at once, so weights that are streamed are made here.

    Args:
        weights: freshly generated.
        layout: what they are: ``target.layout``.
        max_norm: of the gradient at one context's weights.

    Shape:
        each weight ``(*contexts, *shape)`` -> the same.

    Raises:
        ConfigError: if the norm is not positive.
        LayoutError: if the weights do not fit the layout.

    Source:
        Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, section 3.2, at
        the generated weights of each context.
    """
    if not max_norm > 0:  # nan is not
        raise ConfigError(f"max_norm: expected more than 0, got {max_norm}.")
    contexts = len(layout.check(weights))
    passing = [name for name in layout.names if layout[name].numel and _learns(weights[name])]
    if not passing:
        return dict(weights)
    apply: Any = _Clip.apply  # torch leaves it untyped
    clipped = apply(contexts, max_norm, *(weights[name] for name in passing))
    return {**weights, **dict(zip(passing, clipped, strict=True))}


def _learns(tensor: Tensor) -> bool:
    """Whether a gradient will arrive. Under `torch.vmap` only the inner tensor knows; a compiler cannot look there."""
    return torch.compiler.is_compiling() or unmapped(tensor).requires_grad


@final
class _Clip(torch.autograd.Function):
    """Identity, with the joint gradient of each context scaled down."""

    generate_vmap_rule = True

    @staticmethod
    def forward(contexts: int, max_norm: float, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.contexts, ctx.max_norm = inputs[:2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = _scale(gradients, ctx.contexts, ctx.max_norm)
        scaled = (g * scale[(..., *[None] * (g.ndim - ctx.contexts))].to(g.dtype) for g in gradients)
        return None, None, *scaled


def _scale(gradients: Sequence[Tensor], contexts: int, max_norm: float) -> Tensor:
    """What each context's gradient is multiplied with: ``(*contexts,)``.

    Squares of an exploding gradient overflow before the gradient does, and its norm would be infinite: therefore it is
    divided by its largest number first.
    """
    rows = [g.unsqueeze(-1).flatten(contexts) for g in gradients]
    rows = [row.float() if row.dtype in (torch.float16, torch.bfloat16) else row for row in rows]
    largest = torch.stack([row.detach().abs().amax(-1) for row in rows]).amax(0)
    unit = torch.where(largest > 0, largest, 1)
    squares = torch.stack([(row / unit.unsqueeze(-1)).square().sum(-1) for row in rows]).sum(0)
    # The largest number contributes 1, so only a gradient of zeros is below; there the root has no derivative.
    root = squares.clamp(min=1).sqrt()
    limit = (max_norm / largest).clamp(max=torch.finfo(largest.dtype).max)
    return (limit / root).clamp(max=1)
