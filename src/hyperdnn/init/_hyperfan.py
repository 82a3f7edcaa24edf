"""Hyperfan: keep the variance of the target's activations, or of its gradients, constant over its layers.

Write a pre-activation of the target as ``y = W x + b`` with generated ``W`` (fan-in ``fi``, fan-out ``fo``) and ``b``.
Entries are independent with zero mean, so ``Var(y) = fi Var(W) E[x^2] + Var(b)``. Let ``c`` be the gain of the
activation: 2 after a ReLU, which halves the second moment, otherwise 1.

*Forward* (hyperfan-in): ``Var(y)`` shall equal ``c E[x^2]``, with unit ``E[x^2]``, shared equally by the ``s``
generated tensors that are summed: ``Var(W) = c / (s fi)`` and ``Var(b) = c / s`` (``s`` is 2 for a layer with a
generated bias, 1 without, up to 4 in a recurrent cell).

*Backward* (hyperfan-out): ``Var(W) = c / fo`` keeps the gradient's variance, and the bias fills up what the forward
variance then lacks: ``Var(b) = max(0, c (1 - fi / fo))``.

The publication states both for the head, ``Var(H) = Var(W) / (hidden Var(z))``. Here features have unit root mean
square when they reach a head, so the division by ``hidden`` is all that is left, and the head does it.
"""

from hyperdnn.init._matched import Moments
from hyperdnn.layout import ParamLayout, ParamSpec

__all__ = ["hyperfan_in", "hyperfan_out"]

_RECURRENT = ("recurrent_input", "recurrent_hidden")
_MAPS = ("linear", "convolution", "transposed_convolution", "in_projection", *_RECURRENT)


def hyperfan_in(layout: ParamLayout, *, gain: float = 2.0) -> tuple[Moments, ...]:
    """Keep the variance of the target's activations.

    Args:
        layout: what is generated.
        gain: 2 for ReLU targets, 1 for linear and saturating ones (``functools.partial(hyperfan_in, gain=1.0)``);
            recurrent cells always take 1.

    Source:
        Chang, Flokas & Lipson, "Principled Weight Initialization for Hypernetworks", ICLR 2020, section 4.1.
    """
    return tuple(_forward(spec, layout, gain) for spec in layout)


def hyperfan_out(layout: ParamLayout, *, gain: float = 2.0) -> tuple[Moments, ...]:
    """Keep the variance of the target's gradients.

    Args:
        layout: what is generated.
        gain: as for `hyperfan_in`.

    Source:
        Chang, Flokas & Lipson, "Principled Weight Initialization for Hypernetworks", ICLR 2020, section 4.2.
    """
    return tuple(_backward(spec, gain) for spec in layout)


def _forward(spec: ParamSpec, layout: ParamLayout, gain: float) -> Moments:
    if spec.kind in _MAPS:
        variance = (1.0 if spec.kind in _RECURRENT else gain) / (_summands(spec, layout) * spec.fan_in)
        return Moments(0.0, variance**0.5)
    if spec.kind == "bias":
        return Moments(0.0, ((1.0 if _recurrent(spec) else gain) / _summands(spec, layout)) ** 0.5)
    return _fixed(spec)


def _backward(spec: ParamSpec, gain: float) -> Moments:
    gain = 1.0 if _recurrent(spec) else gain
    if spec.kind in _MAPS:
        return Moments(0.0, (gain / spec.fan_out) ** 0.5)
    if spec.kind == "bias":
        return Moments(0.0, max(0.0, gain * (1 - spec.fan_in / spec.fan_out)) ** 0.5)
    return _fixed(spec)


def _fixed(spec: ParamSpec) -> Moments:
    if spec.kind == "norm_gain":
        return Moments(1.0, 0.0)
    if spec.kind == "norm_bias":
        return Moments(0.0, 0.0)
    if spec.kind == "embedding":
        return Moments(0.0, 1.0)
    return Moments(spec.init_mean, spec.init_std)  # a change, or a tensor whose use is unknown


def _recurrent(spec: ParamSpec) -> bool:
    return "bias_ih" in spec.name or "bias_hh" in spec.name or spec.kind in _RECURRENT


def _summands(spec: ParamSpec, layout: ParamLayout) -> int:
    """Generated tensors that are summed into the same pre-activation, this one included."""
    layer, _, leaf = spec.name.rpartition(".")
    if leaf.startswith("weight_hr"):
        return 1  # the projection of an LSTM's output stands alone
    siblings = [other for other in layout if other.name.rpartition(".")[0] == layer]
    if not _recurrent(spec):
        return 2 if any(s.kind == "bias" for s in siblings) and any(s.kind in _MAPS for s in siblings) else 1
    suffix = leaf.partition("_")[2][2:]  # weight_ih_l0_reverse -> _l0_reverse: one cell of the stack
    return sum(s.name.endswith(("_ih" + suffix, "_hh" + suffix)) for s in siblings)
