"""Tensors of a layout one by one, for a head of one linear map."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import current_backward, has_transform
from hyperdnn.errors import ConfigError
from hyperdnn.heads._map import is_plain
from hyperdnn.heads._reuse import Reuse
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import Make, StreamedWeight, TensorAffine
from hyperdnn.typing import Weights

__all__ = ["rows_of", "slots_of", "streamed"]


def streamed(features: Tensor, layout: ParamLayout, make: Make, *, slotted: bool) -> Weights:
    """A stand-in for each tensor of a layout (see `nn.StreamedWeight`).

    Args:
        features: ``(*contexts, [slots,] hidden)``.
        layout: what is generated.
        make: makes some of the tensors.
        slotted: whether there is a slot dimension.
    """
    contexts = features.shape[:-2] if slotted else features.shape[:-1]
    return {
        spec.name: StreamedWeight(make, features, position, (*contexts, *spec.shape), len(contexts))
        for position, spec in enumerate(layout)
    }


def rows_of(linear: nn.Linear, layout: ParamLayout) -> Make:
    """For a map to all numbers: a tensor is made by its own rows of the map, and by these alone.

    Raises:
        ConfigError: if the map is more than its weight and bias.
    """
    _check(linear)
    # Cut once: a slice for each tensor would have a gradient of the whole map's size for each.
    weights, biases = (torch.split(parameter, list(layout.sizes)) for parameter in (linear.weight, linear.bias))

    def make(features: Tensor, positions: Sequence[int]) -> list[Tensor]:
        return [
            F.linear(features, weights[at], biases[at]).reshape(features.shape[:-1] + layout.specs[at].shape)
            for at in positions
        ]

    return make


def slots_of(linear: nn.Linear, layout: ParamLayout, affine: TensorAffine, reuse: Reuse) -> Make:
    """For a map from slots to chunks: tensors are made by the slots that they lie in.

    Tensors that are neighbours in the layout are made together, since one slot may hold numbers of several. The map's
    gradient is summed in one place: autograd would make one of the map's size for every operation, and add them up.

    Raises:
        ConfigError: if the map is more than its weight and bias.
    """
    _check(linear)
    size = linear.out_features
    total = _Total(reuse)
    weight, bias = linear.weight, linear.bias  # as they are now: inside another target they are gone later
    token: Tensor | None = None if has_transform() else _Root.apply(total, weight)  # type: ignore[no-untyped-call]
    gains, offsets = affine.gain.unbind(), affine.offset.unbind()

    def piece(features: Tensor, positions: Sequence[int]) -> list[Tensor]:
        start = layout.offsets[positions[0]]
        stop = layout.offsets[positions[-1]] + layout.sizes[positions[-1]]
        first = start // size
        rows = features[..., first : -(-stop // size), :]
        if token is None or has_transform() or torch.is_autocast_enabled(rows.device.type):
            numbers = F.linear(rows, weight, bias).flatten(-2)
        else:
            product: Tensor = _Product.apply(total, rows, weight, token)  # type: ignore[no-untyped-call]
            numbers = (product + bias).flatten(-2)
        numbers = numbers[..., start - first * size : stop - first * size]
        cut = torch.split(numbers, [layout.sizes[at] for at in positions], dim=-1)
        shaped = [
            part.reshape(part.shape[:-1] + layout.specs[at].shape) for part, at in zip(cut, positions, strict=True)
        ]
        return [torch.addcmul(offsets[at], gains[at], part) for part, at in zip(shaped, positions, strict=True)]

    def make(features: Tensor, positions: Sequence[int]) -> list[Tensor]:
        runs: list[list[int]] = []
        for at in sorted(set(positions)):
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        made = {at: tensor for run in runs for at, tensor in zip(run, piece(features, run), strict=True)}
        return [made[at] for at in positions]

    return make


def _check(linear: nn.Module) -> None:
    if not is_plain(linear):
        raise ConfigError(
            f"stream=True: the head's output map, a {type(linear).__name__}, has hooks or a forward of its own, which "
            "would be passed by. Remove them (merge adapters), or use stream=False."
        )


@final
class _Total:
    """The gradient of a map, summed over the operations of one backward pass."""

    def __init__(self, reuse: Reuse) -> None:
        self._reuse = reuse
        self._backward: int | None = None
        self._sum: Tensor | None = None

    def add(self, left: Tensor, right: Tensor, like: Tensor) -> None:
        """Add ``left.T @ right``."""
        if self._sum is None or self._backward != current_backward():  # what an interrupted pass left is forgotten
            self._sum = torch.mm(left.t(), right, out=self._reuse.empty("weight", tuple(like.shape), like))
            self._backward = current_backward()
        else:
            self._sum.addmm_(left.t(), right)

    def take(self) -> Tensor | None:
        """The sum, which is then forgotten."""
        total = self._sum if self._backward == current_backward() else None
        self._sum = self._backward = None
        return total


@final
class _Root(torch.autograd.Function):
    """Makes a token that every `_Product` takes: its backward comes after all of theirs, and has their sum."""

    @staticmethod
    def forward(ctx: Any, total: _Total, weight: Tensor) -> Tensor:
        ctx.total = total
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor | None]:
        return None, ctx.total.take()


@final
class _Product(torch.autograd.Function):
    """``rows @ weight.T``, whose gradient for the weight arrives by way of the token."""

    @staticmethod
    def forward(ctx: Any, total: _Total, rows: Tensor, weight: Tensor, token: Tensor) -> Tensor:
        ctx.total = total
        ctx.save_for_backward(rows, weight, token)
        return rows @ weight.t()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        rows, weight, token = ctx.saved_tensors
        left, right = grad.reshape(-1, grad.shape[-1]), rows.reshape(-1, rows.shape[-1])
        for_rows = grad @ weight
        if torch.is_grad_enabled():  # a second derivative is wanted: autograd must see the sum
            return None, for_rows, left.t() @ right, None
        if ctx.needs_input_grad[2]:
            ctx.total.add(left, right, weight)
        return None, for_rows, None, torch.zeros_like(token)
