"""Measure how a hypernet starts."""

import copy
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn._torch import tree_leaves
from hyperdnn.errors import ContextError
from hyperdnn.inspect._contexts import typical_contexts
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context, Weights

__all__ = ["InitReport", "LayerStart", "check_init"]

TOLERANCE = 10.0
"""A second moment this many times larger or smaller than the plain network's is worth a warning."""


@final
@dataclass(frozen=True, kw_only=True)
class LayerStart:
    """How one layer of the target starts.

    Args:
        name: the layer.
        weight_std: standard deviation of its generated numbers around their tensor's mean, over contexts.
        expected_std: the same under the target's own initialisation.
        activation: geometric mean over contexts of its output's second moment.
        expected_activation: the same for networks with independent weights of the target's own moments.
    """

    name: str
    weight_std: float
    expected_std: float
    activation: float
    expected_activation: float

    @property
    def ratio(self) -> float:
        """Measured activation over the expected one: 1 is right, 0 dead, infinite exploding."""
        if self.activation == self.expected_activation:
            return 1.0  # also where both are zero
        return self.activation / self.expected_activation if self.expected_activation else math.inf


@final
@dataclass(frozen=True)
class InitReport:
    """What `check_init` measured, layer by layer in the order of execution; print it."""

    layers: tuple[LayerStart, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        width = max([len("layer"), *(len(layer.name) for layer in self.layers)])
        rows = [
            f"{'layer':<{width}}  {'weights':>10} {'expected':>10}  {'activation':>10} {'expected':>10}  {'ratio':>8}"
        ]
        for a in self.layers:
            rows.append(
                f"{a.name:<{width}}  {a.weight_std:>10.3g} {a.expected_std:>10.3g}  "
                f"{a.activation:>10.3g} {a.expected_activation:>10.3g}  {a.ratio:>8.3g}"
            )
        return "\n".join([*rows, *self.warnings])


def check_init(
    model: HyperDNN,
    x: Any,
    *,
    context: Context = None,
    references: int = 16,
    generator: torch.Generator | None = None,
) -> InitReport:
    """Measure generated weights and the target's activations, and compare them with plain networks.

    Activations are taken where a layer with generated weights puts them out, before any normalisation that follows.
    Warns of a dead or exploding start.

    Args:
        model: to look at; its mode and state are left as they are.
        x: input of the target for one context, or a tuple of inputs.
        context: contexts ``(n, ...)``; by default up to 64 rows of a `Table`, or 64 draws for a `Vector` and
            for encoders that can ``sample``.
        references: plain networks to compare with.
        generator: for whatever is drawn.

    Raises:
        ContextError: if the contexts cannot be guessed.
    """
    with torch.no_grad():
        rows = _measure(copy.deepcopy(model), x, context, references, generator)
    found = tuple(message for row in rows if (message := _warning(row)))
    for message in found:
        warnings.warn(message, stacklevel=2)
    return InitReport(tuple(rows), found)


def _measure(
    model: HyperDNN, x: Any, context: Context, references: int, generator: torch.Generator | None
) -> list[LayerStart]:
    if context is None:
        context = typical_contexts(model, asker="check_init", generator=generator)
    weights = model.generate(context)
    dims = model.target.layout.check(weights)
    if len(dims) != 1:
        raise ContextError(f"check_init takes contexts in one dimension, got {tuple(dims)}.")
    layout = model.target.layout
    plain: Weights = {
        spec.name: spec.init_mean
        + spec.init_std * torch.randn(references, *spec.shape, generator=generator).to(weights[spec.name])
        for spec in layout
    }
    inputs = x if isinstance(x, tuple) else (x,)
    measured, expected = _moments(model, weights, inputs), _moments(model, plain, inputs)
    rows = []
    for name in measured:
        specs = [spec for spec in model.target.replaced if spec.name.rpartition(".")[0] == name]
        rows.append(
            LayerStart(
                name=name or "(itself)",
                weight_std=_deviation([weights[n] for n in _generated(layout.names, specs)]),
                expected_std=_deviation([plain[n] for n in _generated(layout.names, specs)]),
                activation=measured[name],
                expected_activation=expected[name],
            )
        )
    return rows


def _moments(model: HyperDNN, weights: Weights, inputs: tuple[Any, ...]) -> dict[str, float]:
    """Geometric mean over contexts of the second moment of each layer's output."""
    target = model.target
    logs: dict[str, list[float]] = {}
    hooks = []
    for owner in dict.fromkeys(spec.name.rpartition(".")[0] for spec in target.replaced):

        def record(layer: nn.Module, args: Any, output: Any, owner: str = owner) -> None:
            first = next((t for t in tree_leaves(output) if isinstance(t, Tensor) and t.is_floating_point()), None)
            if first is not None:
                moment = float(first.double().square().mean())
                # Infinities become NaN in the next layer: both have left the numbers at the upper end.
                logs.setdefault(owner, []).append(_log(math.inf if math.isnan(moment) else moment))

        hooks.append(target.module.get_submodule(owner).register_forward_hook(record))
    for i in range(next(iter(weights.values())).shape[0]):
        one = {name: tensor[i] for name, tensor in weights.items()}
        if target.buffers_policy == "per_context":
            target.with_buffers(one, inputs[0], target.initial_buffers(1), torch.tensor(0))
        else:
            target(one, *inputs)
    for hook in hooks:
        hook.remove()
    return {owner: _exp(sum(values) / len(values)) for owner, values in logs.items()}


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _generated(names: Sequence[str], specs: Sequence[Any]) -> list[str]:
    return [name for name in names for spec in specs if name == spec.name or name.startswith(f"{spec.name}.")]


def _deviation(tensors: Sequence[Tensor]) -> float:
    """Root mean square distance of a layer's numbers from their own tensor's mean, over contexts."""
    rows = [tensor.double().reshape(len(tensor), -1) for tensor in tensors]
    centred = [row - row.mean(1, keepdim=True) for row in rows]
    return float(torch.cat(centred, dim=1).square().mean().sqrt())


def _warning(row: LayerStart) -> str | None:
    if 1 / TOLERANCE <= row.ratio <= TOLERANCE:
        return None
    state = "dead" if row.ratio < 1 else "exploding"
    return (
        f"'{row.name}' starts {state}: its activations' second moment is {row.activation:.3g}, a plain network's "
        f"{row.expected_activation:.3g}. Use a head's default init, or init.hyperfan_in for ReLU targets."
    )
