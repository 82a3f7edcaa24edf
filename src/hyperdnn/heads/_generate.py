"""One linear map from features to all tensors of a layout, with a backward of its own."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import accumulates, has_hooks, is_transformed
from hyperdnn.errors import ConfigError
from hyperdnn.heads._map import is_plain
from hyperdnn.heads._reuse import Reuse
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import TensorAffine
from hyperdnn.optim import FactoredGradient, keeps_factors
from hyperdnn.typing import Weights

__all__ = ["generate"]


def generate(
    features: Tensor,
    linear: nn.Linear,
    layout: ParamLayout,
    *,
    affine: TensorAffine | None = None,
    slotted: bool = False,
    reuse: Reuse,
) -> Weights:
    """Map rows of features to numbers, cut these into the tensors of a layout, and scale each.

    The gradients of all tensors are gathered once, and two products carry them on: autograd alone would fill and add
    a buffer for each tensor, and make each of them anew in every step. Where autograd is not asked for a plain
    gradient (mapped, compiled, forward-mode, under autocast) it is plain operations.

    Args:
        features: ``(*contexts, [slots,] hidden)``.
        linear: from ``hidden`` to the numbers of one slot.
        layout: how the numbers of all slots in turn are cut; what is left at the end belongs to no tensor.
        affine: gain and offset of each tensor.
        slotted: whether there is a slot dimension.
        reuse: memory for the gradients.
    """
    contexts = features.shape[:-2] if slotted else features.shape[:-1]
    unused = (features.shape[-2] if slotted else 1) * linear.out_features - layout.numel
    scale = () if affine is None else (affine.gain, affine.offset)
    if _plainly(linear, (features, *scale)):
        if not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
            reuse.clear()  # no training step is under way: the memory is for others
        flat = linear(features)
        weights = layout.split(flat.flatten(-2) if slotted else flat, unused=unused)
        return weights if affine is None else affine(weights)
    shape, given = _Cut(contexts, layout, unused), (features, linear.weight, linear.bias, *scale)
    pieces: tuple[Tensor, ...] = _Generate.apply(shape, reuse, *given)  # type: ignore[no-untyped-call]
    return dict(zip(layout.names, pieces, strict=True))


def _plainly(linear: nn.Module, given: Sequence[Tensor]) -> bool:
    """Whether torch must see the operations: what changes them, or wants more than a gradient of them, looks on."""
    return (
        is_transformed()
        or not torch.is_grad_enabled()
        or given[0].is_meta
        or torch.is_autocast_enabled(given[0].device.type)
        or type(linear) is not nn.Linear  # reparametrised
        or not is_plain(linear)
        or len({tensor.dtype for tensor in (*given, linear.weight, linear.bias)}) > 1
        or any(type(tensor) not in (Tensor, nn.Parameter) for tensor in (*given, linear.weight, linear.bias))
    )


@final
class _Cut:
    """How numbers become tensors."""

    def __init__(self, contexts: torch.Size, layout: ParamLayout, unused: int) -> None:
        self.contexts = contexts
        self.rows = contexts.numel()
        self.layout = layout
        self.sizes = [*layout.sizes, unused] if unused else list(layout.sizes)

    def pieces(self, numbers: Tensor) -> tuple[Tensor, ...]:
        """``(rows * slots, n)`` -> one matrix ``(rows, size)`` for each tensor, and one for what is left."""
        return torch.split(numbers.view(self.rows, sum(self.sizes)), self.sizes, dim=1)

    def fold(self, pieces: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The matrices of the tensors in their shapes."""
        specs = self.layout.specs
        return tuple(p.view(self.contexts + spec.shape) for p, spec in zip(pieces, specs, strict=False))


def _plain(cut: _Cut, features: Tensor, weight: Tensor, bias: Tensor, *affine: Tensor) -> tuple[Tensor, ...]:
    tensors = cut.fold(cut.pieces(F.linear(features.reshape(-1, weight.shape[1]), weight, bias)))
    if not affine:
        return tensors
    gain, offset = affine
    return tuple(torch.addcmul(o, g, t) for g, o, t in zip(gain.unbind(), offset.unbind(), tensors, strict=True))


@final
class _Generate(torch.autograd.Function):
    """As `_plain`."""

    @staticmethod
    def forward(
        ctx: Any, cut: _Cut, reuse: Reuse, features: Tensor, weight: Tensor, bias: Tensor, *affine: Tensor
    ) -> tuple[Tensor, ...]:
        rows = features.reshape(-1, weight.shape[1])
        numbers = reuse.empty("numbers", (len(rows), len(weight)), weight)
        torch.addmm(bias, rows, weight.t(), out=numbers)
        ctx.cut, ctx.reuse = cut, reuse
        ctx.set_materialize_grads(False)
        raw = numbers if affine and affine[0].requires_grad else None
        ctx.save_for_backward(features, weight, bias, raw, *affine)
        if affine:
            scaled = torch.empty_like(numbers) if raw is not None else numbers
            triples = zip(cut.pieces(numbers), cut.pieces(scaled), affine[0], affine[1], strict=False)
            for piece, out, gain, offset in triples:
                torch.addcmul(offset, gain, piece, out=out)
            numbers = scaled
        return cut.fold(cut.pieces(numbers))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        features, weight, _, raw, *affine = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: let autograd see every operation
            return None, None, *_differentiable(ctx, grads)
        cut, reuse = ctx.cut, ctx.reuse
        rows = features.reshape(-1, weight.shape[1])
        gathered = reuse.empty("gathered", (len(rows), len(weight)), weight)
        into = cut.pieces(gathered)
        for piece, grad, number in zip(into, grads, range(len(grads)), strict=False):
            if grad is None:
                piece.zero_()
            elif affine:
                torch.mul(grad.reshape(piece.shape), affine[0][number], out=piece)
            else:
                piece.copy_(grad.reshape(piece.shape))
        if len(into) > len(grads):
            into[-1].zero_()
        _, _, for_features, for_weight, for_bias, *for_affine = ctx.needs_input_grad
        out: list[Tensor | None] = [None, None, None, None, None, *(None for _ in affine)]
        if for_features:
            out[2] = (gathered @ weight).view(features.shape)
        if for_weight and keeps_factors(weight) and not has_hooks(weight) and accumulates(weight):
            _leave_factors(weight, gathered, rows)
        elif for_weight:
            out[3] = torch.mm(gathered.t(), rows, out=reuse.empty("weight", tuple(weight.shape), weight))
        if for_bias:
            out[4] = gathered.sum(0)
        if any(for_affine):
            out[5], out[6] = _affine_gradients(cut, grads, raw, affine, for_affine)
        return tuple(out)


def _leave_factors(weight: Tensor, left: Tensor, right: Tensor) -> None:
    if weight.grad is not None:
        raise ConfigError(
            "RankAdam: a second backward before the step. Factors do not add up: call optimizer.zero_grad() after each "
            "step, and use torch.optim.Adam(fused=True) to accumulate gradients."
        )
    weight.grad = FactoredGradient(left, right)


def _affine_gradients(
    cut: _Cut, grads: Sequence[Tensor | None], raw: Tensor | None, affine: Sequence[Tensor], wanted: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Of gain and offset: what each tensor's gradient says about one number that all of it shares."""
    zero = affine[0].new_zeros(())
    gain = offset = None
    if wanted[0]:
        assert raw is not None
        pairs = zip(cut.pieces(raw), grads, strict=False)
        gain = torch.stack([zero if g is None else (g.reshape(piece.shape) * piece).sum() for piece, g in pairs])
    if wanted[1]:
        offset = torch.stack([zero if g is None else g.sum() for g in grads])
    return gain, offset


def _differentiable(ctx: Any, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    features, weight, bias, _, *affine = ctx.saved_tensors
    # Views: hooks on the tensors themselves would be called here, and once more with what is returned.
    inputs = [tensor.view_as(tensor) for tensor in (features, weight, bias, *affine)]
    wanted = [tensor for tensor, needed in zip(inputs, ctx.needs_input_grad[2:], strict=True) if needed]
    outputs = _plain(ctx.cut, *inputs)
    pairs = [(output, grad) for output, grad in zip(outputs, grads, strict=True) if grad is not None]
    if not pairs:
        return [None] * len(inputs)
    outputs, given = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(outputs, wanted, given, create_graph=True, allow_unused=True))
    return [next(found) if needed else None for needed in ctx.needs_input_grad[2:]]
