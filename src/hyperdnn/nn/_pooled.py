"""Batch normalisation with one set of statistics for all samples and contexts."""

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import BatchNormBase
from hyperdnn.errors import BufferPolicyError

__all__ = ["PooledBatchNorm"]


@torch.library.custom_op("hyperdnn::pooled_moments", mutates_args=())
def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``(n, channels, ...)`` -> mean, biased and unbiased variance, over every dimension but the channels.

    An operator of its own, for only an operator may say what happens under ``torch.vmap``: there the mapped dimension
    is folded into the samples, so the moments are those of all contexts together, and are not mapped.
    """
    count = x.numel() // x.shape[1]
    if count == 1:
        raise BufferPolicyError(
            "batch normalisation in training has one value for each channel, whose variance is zero. "
            "Give it more samples or contexts, or call model.eval()."
        )
    variance, mean = torch.var_mean(x, _others(x), correction=0)
    return mean, variance, variance * (count / (count - 1))


@_moments.register_fake
def _(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape[1]), x.new_empty(x.shape[1]), x.new_empty(x.shape[1])


@_moments.register_vmap
def _(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[None, None, None]]:
    return _moments(x.movedim(in_dims[0], 0).flatten(0, 1)), (None, None, None)


def _backward(ctx: Any, mean_grad: Tensor, variance_grad: Tensor, unbiased_grad: Tensor) -> Tensor:
    (x,) = ctx.saved_tensors
    # From differentiable operations, so that a second derivative exists. Only running statistics read the third output.
    centred = x - _channels(x.mean(_others(x)), x)
    count = x.numel() // x.shape[1]
    grad: Tensor = (_channels(mean_grad, x) + 2 * _channels(variance_grad, x) * centred) / count
    return grad


def _remember(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs)


_moments.register_autograd(_backward, setup_context=_remember)


@final
class PooledBatchNorm(nn.Module):
    """A torch batch normalisation whose statistics are pooled over all samples *and* contexts (policy ``"shared"``).

    Takes over parameters and running statistics under their names. In training, ``batched``, ``paired`` and
    ``grouped`` normalise by the statistics of everything in the call, and update the running ones once, as if the
    module had seen one large batch. Data that contexts share counts once.

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
        self.training = layer.training
        self._options = {"affine": layer.affine, "bias": layer.bias is not None}
        self.register_parameter("weight", layer.weight)
        self.register_parameter("bias", layer.bias)
        for name, buffer in layer.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def restore(self) -> BatchNormBase:
        """Torch's own layer with the same settings and statistics, and fresh parameters."""
        layer: BatchNormBase = self._kind(self.num_features, eps=self.eps, momentum=self.momentum, **self._options)
        for name, buffer in self.named_buffers(recurse=False):
            setattr(layer, name, buffer)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        self._kind._check_input_dim(self, input)  # type: ignore[no-untyped-call, arg-type]  # looks at the input
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        if input.shape[1] != self.num_features:
            raise RuntimeError(f"expected (n, {self.num_features}, ...), got {tuple(input.shape)}.")
        if input.numel() == 0:
            self.num_batches_tracked += 1
            return input * 1  # no statistics, no trace but the count, as torch has it
        mean, variance, unbiased = _moments(input)
        self._update(mean, unbiased)
        output = (input - _channels(mean, input)) * _channels((variance + self.eps).rsqrt(), input)
        if self.weight is not None:
            output = output * _channels(self.weight, input)
        if self.bias is not None:
            output = output + _channels(self.bias, input)
        return output.to(input.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        rate = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
        self.running_var.lerp_(variance.to(self.running_var.dtype), rate)


def _others(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


def _channels(values: Tensor, like: Tensor) -> Tensor:
    """``(channels,)`` -> ``(channels, 1, ...)``, to broadcast over a batch."""
    return values.reshape(-1, *[1] * (like.ndim - 2))
