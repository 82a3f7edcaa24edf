"""Whether a hypernet is alive, and its weights are of a sensible size."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn

from hyperdnn import init
from hyperdnn.encoders import Table
from hyperdnn.errors import ContextError
from hyperdnn.inspect._contexts import typical_contexts
from hyperdnn.inspect._vitals import Vitals, measure, variation
from hyperdnn.layout import ParamSpec
from hyperdnn.models import HyperDNN
from hyperdnn.optim import FactoredGradient
from hyperdnn.targets import Target
from hyperdnn.typing import Context, Weights

__all__ = ["Ailment", "Finding", "Health", "TensorHealth", "health"]

Ailment: TypeAlias = Literal["not finite", "dead", "inactive", "exploding", "vanishing", "no gradient"]
"""What can be wrong with a generator."""

_REMEDIES: dict[Ailment, str] = {
    "not finite": "Go back to the last good checkpoint; lower the learning rate, and bound the gradient that enters "
    "the hypernet: hd.clip_gradient, or train.clip_generated.",
    "dead": "Such a hypernet learns one network for all contexts. Start anew with a lower learning rate, a body with "
    "activation='leaky_relu' or norm='layer', a head's defaults init=init.matched and normalize=True, or a target that "
    "generates a change (combine=targets.Residual()).",
    "inactive": "A unit that is silent for all contexts gets no gradient and stays silent. Start anew with a lower "
    "learning rate, or a body with activation='leaky_relu' or norm='layer'.",
    "exploding": "Lower the learning rate, bound the gradient that enters the hypernet (hd.clip_gradient, or "
    "train.clip_generated), and keep a head's defaults init=init.matched and normalize=True.",
    "vanishing": "Lower the weight decay or the penalty on generated weights, and keep a head's defaults "
    "init=init.matched and normalize=True; a target that generates a change (combine=targets.Residual()) may start "
    "there.",
    "no gradient": "Does the loss depend on the generated weights, and is nothing detached on the way? Units that are "
    "silent for all samples, in the target or in the body, pass none either: lower the learning rate there.",
}


@final
@dataclass(frozen=True, kw_only=True)
class TensorHealth:
    """One generated tensor.

    Args:
        name: its name in the target.
        rms: root mean square of its numbers for the context where it is largest; under a combine with a base, of the
            parameter that it makes with the base.
        low: the smallest root mean square that a rule of `init` would start it with, `init.naive` left out.
        high: the largest one.
        variation: how much contexts differ in it, relative to its size; None for a single context, and for a tensor
            that has not left a start without variance.
    """

    name: str
    rms: float
    low: float
    high: float
    variation: float | None


@final
@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong; print it.

    Args:
        ailment: what.
        places: tensors, layers or parameters, the worst first.
        text: what was measured, in words.
        remedy: what to do.
    """

    ailment: Ailment
    places: tuple[str, ...]
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text} {self.remedy}"


@final
@dataclass(frozen=True, kw_only=True)
class Health:
    """What `health` measured; print it.

    Args:
        contexts: how many were looked at.
        tensors: generated tensors, in layout order.
        inactive: share of silent units in each ReLU layer of the body.
        findings: what is wrong, the worst first.
    """

    contexts: int
    tensors: tuple[TensorHealth, ...]
    inactive: dict[str, float]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; None stands where a number is not finite."""
        data = asdict(self)
        tensors = [
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
            for row in data["tensors"]
        ]
        return {
            **data,
            "ok": self.ok,
            "tensors": tensors,
            "findings": [{**row, "places": list(row["places"])} for row in data["findings"]],
        }

    def __str__(self) -> str:
        width = max(len("tensor"), *(len(tensor.name) for tensor in self.tensors))
        rows = [f"{'tensor':<{width}}  {'rms':>9}  {'starts at':>19}  {'variation':>9}"]
        for t in self.tensors:
            start = f"{t.low:.3g} to {t.high:.3g}"
            differs = "" if t.variation is None else f"{t.variation:.3g}"
            rows.append(f"{t.name:<{width}}  {t.rms:>9.3g}  {start:>19}  {differs:>9}".rstrip())
        rows += [f"{name}: {share:.0%} of the units are silent" for name, share in self.inactive.items()]
        return "\n".join([*rows, *map(str, self.findings)] if self.findings else [*rows, "Nothing is wrong."])


def health(
    model: HyperDNN,
    *,
    context: Context = None,
    exploding: float = 10.0,
    vanishing: float = 1e-3,
    same: float = 1e-6,
    inactive: float = 0.9,
) -> Health:
    """Look for a dead or exploding generator, at any time of training. Nothing of the model is changed.

    Generates once, in evaluation mode. Gradients are read where they are: call it after ``loss.backward()`` for what
    they tell. A parameter without ``.grad`` is passed over.

    The limits lie well outside of what was seen in hypernets that learnt: five permuted tasks of the digits for 1,000
    steps, under each head without and with slots, Adam at 0.001 and 0.01 or SGD at 0.1, from every start but
    `init.naive`. There sizes stayed below 3 times the largest start and above 0.06 times the smallest, variation above
    0.2, and at most 80 % of a layer's units fell silent. Runs that diverged went from below 10 times to infinity within
    a few dozen steps.

    Args:
        model: to look at.
        context: contexts, two different ones or more if their difference is to be judged; by default as for
            `check_init`.
        exploding: times the largest start (see `TensorHealth`).
        vanishing: times the smallest start, which all contexts must stay below.
        same: variation at which contexts count as one: rounding in 32 bits.
        inactive: share of silent units in a ReLU layer of the body.

    Raises:
        ContextError: if the contexts cannot be guessed, or there are none.
    """
    draw = partial(typical_contexts, model, asker="health")
    vitals = measure(model.hypernet, draw if context is None else context)
    layout = model.target.layout
    dims = layout.check(vitals.weights)
    if not dims.numel():
        raise ContextError(f"health has nothing to look at: the context dimensions are {tuple(dims)}.")
    with torch.no_grad():
        tensors = tuple(_tensors(vitals.weights, model.target))
    silent = {name: float((~alive).float().mean()) for name, alive in vitals.alive.items() if alive.numel()}
    shares = silent if dims.numel() > 1 else {}
    findings = (
        _not_finite(vitals.weights),
        _dead(tensors, vitals, dims, same),
        _inactive(shares, dims, inactive),
        _too_large(tensors, exploding),
        _too_small(tensors, vanishing),
        *_gradients(model.hypernet),
    )
    return Health(
        contexts=dims.numel(),
        tensors=tensors,
        inactive=shares,
        findings=tuple(finding for finding in findings if finding is not None),
    )


def _tensors(weights: Weights, target: Target) -> Iterator[TensorHealth]:
    # A change has no size of its own to be compared with; the parameter that it makes has one.
    whole, made = (target.layout, weights) if target.base is None else (target.replaced, target.effective(weights))
    owners = {part.name: spec.name for spec in target.replaced for part in target.combine.specs(spec)}
    rules = (rule(whole) for rule in (init.matched, init.hyperfan_in, init.hyperfan_out))
    starts = dict(zip(whole.names, zip(*rules, strict=True), strict=True))
    for spec in target.layout:
        if not spec.numel:
            continue
        owner = spec.name if target.base is None else owners[spec.name]
        rows = _rows(weights[spec.name], spec)
        sizes = [math.hypot(*moments) for moments in starts[owner]]
        closed = spec.init_std == 0 and bool((rows == spec.init_mean).all())
        yield TensorHealth(
            name=spec.name,
            rms=float(_rows(made[owner], whole[owner]).square().mean(1).max().sqrt()),
            low=min(sizes),
            high=max(sizes),
            variation=None if closed or len(rows) < 2 else variation(rows),
        )


def _rows(tensor: Tensor, spec: ParamSpec) -> Tensor:
    """One row for each context, in a format in which squares can be summed."""
    rows = tensor.reshape(-1, spec.numel)
    return rows if rows.dtype == torch.float64 else rows.float()


def _not_finite(weights: Weights) -> Finding | None:
    places = [name for name, tensor in weights.items() if not math.isfinite(_largest(tensor))]
    return _finding("not finite", places, "generated weights are not finite: {}.") if places else None


def _dead(tensors: Sequence[TensorHealth], vitals: Vitals, dims: torch.Size, same: float) -> Finding | None:
    seen = [t.variation for t in tensors if t.variation is not None]
    if not seen or not all(v <= same for v in seen):  # nan is not
        return None
    text = f"the generator is dead: its weights are the same for all {dims.numel()} contexts, "
    for role, features in vitals.stages.items():
        if features.shape[: len(dims)] == dims and variation(features.flatten(0, len(dims) - 1)) <= same:
            silent = " of zeros" if role == "body" and not bool(features.any()) else ""
            return _finding("dead", [role], f"{text}since the {role} gives them the same features{silent}.")
    return _finding(
        "dead", ["head"], f"{text}though features differ (as before the first step after init.from_target_)."
    )


def _inactive(shares: Mapping[str, float], dims: torch.Size, limit: float) -> Finding | None:
    places = _worst({name: share for name, share in shares.items() if share >= limit})
    if not places:
        return None
    text = f"{shares[places[0]]:.0%} of the units are silent for all {dims.numel()} contexts in {{}}."
    return _finding("inactive", places, text)


def _too_large(tensors: Sequence[TensorHealth], limit: float) -> Finding | None:
    ratios = {t.name: t.rms / t.high for t in tensors if t.high > 0}
    places = _worst({name: ratio for name, ratio in ratios.items() if ratio > limit})
    if not places:
        return None
    return _finding(
        "exploding", places, f"weights explode: {ratios[places[0]]:.3g} times as large as they start in {{}}."
    )


def _too_small(tensors: Sequence[TensorHealth], limit: float) -> Finding | None:
    ratios = {t.name: t.rms / t.low for t in tensors if t.low > 0}
    places = _worst({name: -ratio for name, ratio in ratios.items() if ratio < limit})
    if not places:
        return None
    return _finding(
        "vanishing", places, f"weights vanish: {ratios[places[0]]:.3g} times as large as they start in {{}}."
    )


def _gradients(hypernet: nn.Module) -> tuple[Finding | None, ...]:
    gradients = {n: _largest(p.grad) for n, p in hypernet.named_parameters() if p.grad is not None and p.numel()}
    broken = [name for name, size in gradients.items() if not math.isfinite(size)]
    zero = [name for name, size in gradients.items() if size == 0]
    for path, part in hypernet.named_modules():
        rows = [f"{path}.rows.{i}".lstrip(".") for i in range(part.contexts)] if isinstance(part, Table) else []
        if any(row in gradients and row not in zero for row in rows):
            zero = [name for name in zero if name not in rows]  # compiled, a row that was not asked for has zeros
    return (
        _finding("not finite", broken, "the hypernet's gradient is not finite: {}.") if broken else None,
        _finding("no gradient", zero, "the hypernet's gradient is exactly zero: {}.") if zero else None,
    )


def _largest(tensor: Tensor) -> float:
    if isinstance(tensor, FactoredGradient):  # a bound, zero or not finite where the product is
        return _largest(tensor.left) * _largest(tensor.right)
    return float(tensor.detach().abs().max()) if tensor.numel() else 0.0


def _worst(ratios: Mapping[str, float]) -> list[str]:
    return sorted(ratios, key=lambda name: -ratios[name])


def _finding(ailment: Ailment, places: Sequence[str], text: str) -> Finding:
    named = f"'{places[0]}'" + (f" and {len(places) - 1} more" if len(places) > 1 else "")
    return Finding(ailment=ailment, places=tuple(places), text=text.format(named), remedy=_REMEDIES[ailment])
