"""What each coordinate of a context does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.encoders import Simplex
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect._coordinates import Coordinates, coordinates
from hyperdnn.inspect._forward_mode import derivative
from hyperdnn.inspect._layers import by_layer, layers
from hyperdnn.inspect._outcome import Mode, generated, outputs, portions, rms
from hyperdnn.inspect._plain import plain
from hyperdnn.inspect._probe import Probe
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.inspect._weight_words import listed
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context, Weights

__all__ = ["Sensitivity", "sensitivity"]

NOTHING = 1e-6
"""What changes by less than this share of what changes most does not change: rounding in 32 bits."""

EQUAL = 1e-3
"""Strongest coordinates that differ by less than this share are named together, as both shares of two are."""

ROWS = 20
"""Coordinates that are printed; of more, the strongest."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivity:
    """What `sensitivity` measured; print it.

    All changes are root mean squares over contexts and numbers, for one unit of a coordinate.

    Args:
        contexts: how many were looked at.
        coordinates: their names.
        own: whether they are the context's own numbers; otherwise they are what the encoder makes of it.
        spread: ``(coordinates,)``, standard deviation of each over the contexts; zero for a single context.
        layers: of the target.
        weights: ``(coordinates, layers)``, how much the generated weights of a layer change.
        sizes: ``(layers,)``, root mean square of these weights themselves.
        tensors: generated tensors.
        tensor_weights: ``(coordinates, tensors)``, as `weights`.
        tensor_sizes: ``(tensors,)``, as `sizes`.
        probes: their names.
        outputs: ``(coordinates, probes)``, how much outputs change.
        output_sizes: ``(probes,)``, root mean square of the outputs themselves.
    """

    contexts: int
    coordinates: tuple[str, ...]
    own: bool
    spread: Tensor
    layers: tuple[str, ...]
    weights: Tensor
    sizes: Tensor
    tensors: tuple[str, ...]
    tensor_weights: Tensor
    tensor_sizes: Tensor
    probes: tuple[str, ...]
    outputs: Tensor
    output_sizes: Tensor

    @property
    def steps(self) -> Tensor:
        """``(coordinates,)``, a usual step along each: one standard deviation, or one unit where none differs."""
        return self.spread if bool((self.spread > 0).any()) else torch.ones_like(self.spread)

    @property
    def relative_weights(self) -> Tensor:
        """``(coordinates, layers)`` for a usual step, relative to the layer's size; absolute where that is zero."""
        return _relative(self.weights, self.sizes) * self.steps[:, None]

    @property
    def relative_outputs(self) -> Tensor:
        """``(coordinates, probes)`` for a usual step, relative to the outputs' size; absolute where that is zero."""
        return _relative(self.outputs, self.output_sizes) * self.steps[:, None]

    def idle_coordinates(self) -> tuple[str, ...]:
        """Those that change no weight."""
        # A coordinate in which no two contexts differ has no usual step; it may do much for all that.
        unit = _relative(self.weights, self.sizes).amax(1)
        usual = unit * self.steps
        idle = torch.where(self.steps > 0, usual <= NOTHING * usual.max(), unit <= NOTHING * unit.max())
        return self._where(idle, self.coordinates)

    def idle_layers(self) -> tuple[str, ...]:
        """Those whose weights no coordinate changes."""
        strongest = _relative(self.weights, self.sizes).amax(0)
        return self._where(strongest <= NOTHING * strongest.max(), self.layers)

    @staticmethod
    def _where(true: Tensor, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name, one in zip(names, true.tolist(), strict=True) if one)

    def findings(self) -> tuple[str, ...]:
        """What the numbers say, in words."""
        return tuple(self._words())

    def _words(self) -> Iterator[str]:
        what = "coordinates of the context" if self.own else "coordinates of the encoded context"
        broken = list(self._where(~self.weights.isfinite().all(0), self.layers))
        broken += [f"outputs on {name}" for name in self._where(~self.outputs.isfinite().all(0), self.probes)]
        if broken:
            yield f"Derivatives are not finite: {listed(broken)}."
            return
        if not bool(self.weights.any()):
            yield f"None of the {len(self.coordinates)} {what} changes any weight: the context is ignored."
            return
        if idle := self.idle_coordinates():
            do = "does" if len(idle) == 1 else "do"
            yield f"{len(idle)} of {len(self.coordinates)} {what} {do} nothing: {listed(idle)}."
        if idle := self.idle_layers():
            ignore = "ignores" if len(idle) == 1 else "ignore"
            yield f"{len(idle)} of {len(self.layers)} layers {ignore} the context: {listed(idle)}."
        step = "one standard deviation" if bool((self.spread > 0).any()) else "one unit"
        weights = self.relative_weights
        best = self._strongest(weights.amax(1))
        layer = self.layers[int(weights.amax(0).argmax())]
        who, move, each = ("Coordinate", "moves", "it") if len(best) == 1 else ("Coordinates", "move", "each")
        yield (
            f"{who} {listed(best)} {move} weights most: {step} of {each} changes layer '{layer}' by "
            f"{float(weights.max()):.1%} of its size."
        )
        still = self._where(~self.outputs.any(0), self.probes)
        if still:
            yield f"The outputs on {listed(still)} do not change at all, though weights do."
        if len(still) < len(self.probes):
            outputs = self.relative_outputs.mean(1)
            best = self._strongest(outputs)
            which, each = ("coordinate", "it") if len(best) == 1 else ("coordinates", "each")
            yield (
                f"Outputs follow {which} {listed(best)} most: {step} of {each} changes them by "
                f"{float(outputs.max()):.1%} of their size."
            )

    def _strongest(self, effects: Tensor) -> tuple[str, ...]:
        return self._where(effects >= (1 - EQUAL) * effects.max(), self.coordinates)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; None stands where a number is not finite."""
        data: dict[str, Any] = plain(self)
        return data | {"findings": list(self.findings())}

    def __str__(self) -> str:
        strongest = self.relative_weights.amax(1)
        order = strongest.argsort(descending=True, stable=True).tolist()
        width = max([len("coordinate"), *(len(name) for name in self.coordinates)])
        headings = ["spread", "weights", *self.probes]
        wide = [max(9, len(heading)) for heading in headings]
        rows = [f"{'coordinate':<{width}}" + "".join(f"  {h:>{w}}" for h, w in zip(headings, wide, strict=True))]
        for k in sorted(order[:ROWS]):
            cells = [
                f"{float(self.spread[k]):.3g}",
                *(f"{float(v):.1%}" for v in (strongest[k], *self.relative_outputs[k])),
            ]
            rows.append(
                f"{self.coordinates[k]:<{width}}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, wide, strict=True))
            )
        if len(order) > ROWS:
            rows.append(f"and {len(order) - ROWS} weaker ones")
        return "\n".join([*rows, *self.findings()])


def sensitivity(
    model: HyperDNN,
    context: Context,
    probes: Sequence[Probe] = (),
    *,
    names: Sequence[str] = (),
    mode: Mode = "vmap",
) -> Sensitivity:
    """Measure how much each coordinate of the context changes each layer's weights, and the outputs.

    By exact derivatives in forward mode, of all coordinates and contexts together. Coordinates are a context vector's
    own numbers, otherwise what the encoder makes of the context. A share of a simplex grows while all others give way
    evenly. Nothing of the model is changed; it runs in evaluation mode, a distribution over weights at its mean.

    Args:
        model: to look at.
        context: any number of contexts but none.
        probes: data to run the networks on; without any the weights alone are measured.
        names: of the coordinates; numbers from 1 by default.
        mode: as for `Target.batched`.

    Raises:
        ConfigError: if there is not one name for each coordinate, or an operator has no forward-mode derivative.
        ContextError: if the contexts have no coordinates, or there are none.
        BufferPolicyError: if probes are given, and every context has running statistics of its own.
    """
    probes = tuple(probes)
    with undisturbed(model):
        where = coordinates(model, context)
        rows = where.rows.reshape(-1, where.rows.shape[-1])
        if not rows.numel():
            raise ContextError(f"sensitivity has nothing to look at: the coordinates are {tuple(where.rows.shape)}.")
        number, width = rows.shape
        if names and len(names) != width:
            raise ConfigError(f"sensitivity: expected one name for each of {width} coordinates, got {len(names)}.")
        changes, sizes = _mean_squares(model, where, rows, probes, mode)
    tensors = model.target.layout.names
    count = len(tensors)
    return Sensitivity(
        contexts=number,
        coordinates=tuple(names) or tuple(str(k + 1) for k in range(width)),
        own=where.own,
        spread=rows.double().cpu().std(0, correction=0),
        layers=tuple(layers(model.target)),
        weights=by_layer(model.target, changes[:, :count]),
        sizes=by_layer(model.target, sizes[:count]),
        tensors=tensors,
        tensor_weights=changes[:, :count].sqrt(),
        tensor_sizes=sizes[:count].sqrt(),
        probes=tuple(probe.name for probe in probes),
        outputs=changes[:, count:].sqrt(),
        output_sizes=sizes[count:].sqrt(),
    )


def _mean_squares(
    model: HyperDNN, where: Coordinates, rows: Tensor, probes: tuple[Probe, ...], mode: Mode
) -> tuple[Tensor, Tensor]:
    """Of all tensors and then all outputs: changes ``(coordinates, quantities)`` and sizes ``(quantities,)``."""
    number, width = rows.shape
    tensors = model.target.layout.names
    directions = _directions(model, where)

    def run(rows: Tensor) -> list[Tensor]:
        weights: Weights = generated(where, rows, model)
        return [*(weights[name] for name in tensors), *(outputs(model, weights, probe, mode) for probe in probes)]

    def squares(quantities: Sequence[Tensor]) -> Tensor:
        return torch.stack([rms(one).square() for one in quantities], 1)

    changes = torch.zeros(width, len(tensors) + len(probes), dtype=torch.float64)
    sizes = torch.zeros(len(tensors) + len(probes), dtype=torch.float64)
    for part in portions(model, width * number, probes):
        pairs = torch.arange(part.start, part.stop)
        coordinate, context = pairs // number, (pairs % number).to(rows.device)
        values, moved = derivative(run, rows[context], directions[coordinate.to(rows.device)], of=model)
        changes.index_add_(0, coordinate, squares(moved))
        sizes += squares(values).sum(0)
    return changes / number, sizes / (width * number)


def _relative(changes: Tensor, sizes: Tensor) -> Tensor:
    return changes / sizes.where(sizes > 0, torch.ones_like(sizes))


def _directions(model: HyperDNN, where: Coordinates) -> Tensor:
    """``(d, d)``: one unit of each coordinate."""
    width = where.rows.shape[-1]
    unit = torch.eye(width, dtype=where.rows.dtype, device=where.rows.device)
    if where.own and width > 1 and isinstance(getattr(model.hypernet, "encoder", None), Simplex):
        return unit - (1 - unit) / (width - 1)
    return unit
