"""Batch normalisation with one set of statistics for all samples and contexts."""

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import BatchNormBase, unmapped
from hyperdnn.errors import BufferPolicyError

__all__ = ["PooledBatchNorm"]


class _Standardise(torch.autograd.Function):
    """``x (n, channels, ...) -> standardised x, mean, biased variance``, over every dimension but the channels.

    Under ``torch.vmap`` the mapped dimension is folded into the samples, so the statistics are those of all
    contexts together: the one thing that mapped code cannot say by itself.
    """

    @staticmethod
    def forward(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        variance, mean = torch.var_mean(x, _others(x), correction=0)
        scale = (variance + eps).rsqrt()
        return (x - _channels(mean, x)) * _channels(scale, x), mean, variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.eps = inputs[1]
        ctx.save_for_backward(inputs[0])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        # From differentiable operations, so that a second derivative exists.
        variance, mean = torch.var_mean(x, _others(x), correction=0)
        scale = _channels((variance + ctx.eps).rsqrt(), x)
        standard = (x - _channels(mean, x)) * scale
        grad = grads[0]
        centred = grad - _channels(grad.mean(_others(x)), x)
        return scale * (centred - standard * _channels((grad * standard).mean(_others(x)), x)), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, None], x: Tensor, eps: float
    ) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[int | None, None, None]]:
        if in_dims[0] is None:
            return _standardise(x, eps), (None, None, None)
        folded = x.movedim(in_dims[0], 0).flatten(0, 1)
        standard, mean, variance = _standardise(folded, eps)
        return (standard.reshape(info.batch_size, -1, *standard.shape[1:]), mean, variance), (0, None, None)


def _standardise(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    out: tuple[Tensor, Tensor, Tensor] = _Standardise.apply(x, eps)  # type: ignore[no-untyped-call]  # torch's own
    return out


@final
class PooledBatchNorm(nn.Module):
    """A torch batch normalisation whose statistics are pooled over all samples *and* contexts (policy ``"shared"``).

    Takes over parameters and running statistics under their names. In training, ``batched``, ``paired`` and
    ``grouped`` normalise by the statistics of everything in the call, and update the running ones once, as if the
    module had seen one large batch.

    Args:
        layer: the layer to take over; `restore` builds it again.

    Shape:
        ``(n, channels, ...)`` -> the same.

    Raises:
        BufferPolicyError: in training with a single value for a channel.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layer: BatchNormBase) -> None:
        super().__init__()
        self._kind = type(layer)
        self.num_features = layer.num_features
        self.eps = layer.eps
        self.momentum = layer.momentum
        self.affine = layer.affine
        self.training = layer.training
        self.register_parameter("weight", layer.weight)
        self.register_parameter("bias", layer.bias)
        for name, buffer in layer.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def restore(self) -> BatchNormBase:
        """Torch's own layer with the same settings and statistics, and fresh parameters."""
        layer: BatchNormBase = self._kind(self.num_features, eps=self.eps, momentum=self.momentum, affine=self.affine)
        for name, buffer in self.named_buffers(recurse=False):
            setattr(layer, name, buffer)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim < 2 or input.shape[1] != self.num_features:
            raise ValueError(f"expected (n, {self.num_features}, ...), got {tuple(input.shape)}.")
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        standard, mean, variance = _standardise(input, self.eps)
        self._update(mean, variance, standard)
        if self.weight is None or self.bias is None:
            return standard
        return standard * _channels(self.weight, input) + _channels(self.bias, input)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, pooled: Tensor) -> None:
        count = _pooled_count(pooled)
        if count == 1:
            raise BufferPolicyError(
                "batch normalisation in training has one value for each channel, whose variance is zero. "
                "Give it more samples or contexts, or call model.eval()."
            )
        self.num_batches_tracked += 1
        rate = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance * (count / (count - 1)), rate)


def _pooled_count(x: Tensor) -> int:
    """Values behind each channel's statistics, hidden dimensions of ``torch.vmap`` included."""
    return unmapped(x).numel() // x.shape[1]


def _others(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


def _channels(values: Tensor, like: Tensor) -> Tensor:
    """``(channels,)`` -> ``(channels, 1, ...)``, to broadcast over a batch."""
    return values.reshape(-1, *[1] * (like.ndim - 2))
