"""What lies between two contexts."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect._coordinates import coordinates
from hyperdnn.inspect._layers import compared
from hyperdnn.inspect._outcome import Mode, generated, loss_of, outputs, portions, rms
from hyperdnn.inspect._plain import plain
from hyperdnn.inspect._probe import Probe
from hyperdnn.inspect._spread import SAME
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.inspect._weight_words import listed
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context, Weights

__all__ = ["ContextPath", "path"]

BARRIER = 0.1
"""A rise above both ends is a barrier if it is more than this share of the higher one."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ContextPath:
    """What `path` measured between two contexts; print it.

    Args:
        names: of the two contexts.
        places: ``(steps,)``, how much of the way is behind: 0 at the first context, 1 at the second.
        probes: their names.
        measures: what each probe's loss is; empty for a probe without one.
        losses: ``(probes, steps)`` of the networks generated on the way; nan for a probe without a loss.
        mixed_losses: the same of networks whose weights are mixed from those of the two contexts.
        changes: ``(probes, steps)``, root mean square difference of the outputs from those of the first context.
        mixed_changes: the same of the mixed weights.
        travelled: ``(steps,)``, length of the way of the weights, in root mean square of all generated numbers.
        distance: between the weights of the two contexts, in the same unit.
        size: root mean square of these weights.
    """

    names: tuple[str, str]
    places: Tensor
    probes: tuple[str, ...]
    measures: tuple[str, ...]
    losses: Tensor
    mixed_losses: Tensor
    changes: Tensor
    mixed_changes: Tensor
    travelled: Tensor
    distance: float
    size: float

    @property
    def detour(self) -> float:
        """The way of the weights over their straight distance: 1 if it is straight."""
        length = float(self.travelled[-1])
        return length / self.distance if self.distance else (1.0 if length == 0 else math.inf)

    @property
    def barriers(self) -> Tensor:
        """``(probes,)``: how far the loss rises above the higher of its two ends; 0 if it does not.

        Not above the straight line between them: two contexts are meant for different data, so on the data of one of
        them a loss climbs all the way, in a curve.
        """
        return self._barriers(self.losses)

    @property
    def mixed_barriers(self) -> Tensor:
        """The same where weights are mixed instead of contexts."""
        return self._barriers(self.mixed_losses)

    def _barriers(self, losses: Tensor) -> Tensor:
        return losses.amax(1) - torch.maximum(losses[:, 0], losses[:, -1])

    def findings(self) -> tuple[str, ...]:
        """What the numbers say, in words."""
        first, second = self.names
        if self.distance <= SAME * self.size and float(self.travelled[-1]) <= SAME * self.size:
            return (f"'{first}' and '{second}' give the same weights: there is nothing between them.",)
        return (
            f"On the way from '{first}' to '{second}' the weights travel {float(self.travelled[-1]):.3g} (root mean "
            f"square), {self.detour:.2f} times the straight distance of {self.distance:.3g}.",
            *self._words(),
        )

    def _words(self) -> Iterator[str]:
        known = [k for k, measure in enumerate(self.measures) if measure]
        smooth, mixed = [], []
        for k in known:
            losses, name, measure = self.losses[k], self.probes[k], self.measures[k].partition(" (")[0]
            if not bool(losses.isfinite().all()):
                where = float(self.places[~losses.isfinite()][0])
                yield f"On '{name}' the {measure} is not finite at {where:.0%} of the way."
            elif self._is_barrier(self.barriers[k], losses):
                top = int(losses.argmax())
                yield (
                    f"On '{name}' there is a barrier: the {measure} is {_number(losses[top])} at "
                    f"{float(self.places[top]):.0%} of the way, {_number(self.barriers[k])} above the higher of "
                    f"its ends, {_number(losses[0])} and {_number(losses[-1])}."
                )
            else:
                smooth.append(name)
            if self._is_barrier(self.mixed_barriers[k], self.mixed_losses[k]):
                mixed.append(name)
        if smooth:
            yield (
                f"No barrier on {listed(smooth)}: no loss rises above both of its ends by more than "
                f"{BARRIER:.0%} of the higher one."
            )
        if mixed:
            highest = _number(self.mixed_barriers[known].nan_to_num().max())
            yield f"Mixing the weights instead meets a barrier on {listed(mixed)}, of up to {highest}."

    def _is_barrier(self, height: Tensor, losses: Tensor) -> bool:
        return float(height) > BARRIER * max(abs(float(losses[0])), abs(float(losses[-1])))

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; None stands where a number is not finite or missing."""
        data: dict[str, Any] = plain(self)
        return data | {
            "detour": plain(self.detour),
            "barriers": plain(self.barriers),
            "mixed_barriers": plain(self.mixed_barriers),
            "findings": list(self.findings()),
        }

    def __str__(self) -> str:
        width = max([len("way"), *(len(name) for name in self.probes)])
        middle = len(self.places) // 2
        rows = [f"{'probe':<{width}}  {'start':>9}  {'middle':>9}  {'end':>9}  {'barrier':>9}  {'mixed':>9}"]
        for name, losses, one, other in zip(self.probes, self.losses, self.barriers, self.mixed_barriers, strict=True):
            cells = (losses[0], losses[middle], losses[-1], one, other)
            rows.append(f"{name:<{width}}  " + "  ".join(f"{_number(cell):>9}" for cell in cells))
        return "\n".join([*(rows if self.probes else ()), *self.findings()])


def path(
    model: HyperDNN,
    start: Context,
    end: Context,
    probes: Sequence[Probe] = (),
    *,
    steps: int = 21,
    names: tuple[str, str] = ("start", "end"),
    mode: Mode = "vmap",
) -> ContextPath:
    """Go from one context to another, and measure the networks that are generated on the way.

    The way is the straight line between the contexts' coordinates: their own numbers where they are vectors, otherwise
    what the encoder makes of them. Shares of a simplex stay shares. Beside it stands the straight line between the two
    sets of generated weights. Nothing of the model is changed; it runs in evaluation mode, a distribution over weights
    at its mean.

    Args:
        model: to look at.
        start: a single context.
        end: another one.
        probes: data to run the networks on; without any the weights alone are measured.
        steps: networks on the way, both ends included.
        names: what the two contexts are called.
        mode: as for `Target.batched`.

    Raises:
        ConfigError: for less than two steps.
        ContextError: if the contexts have no coordinates, or are not single ones of one width.
        BufferPolicyError: if probes are given, and every context has running statistics of its own.
    """
    if steps < 2:
        raise ConfigError(f"path: expected 2 steps or more, the start and the end, got {steps}.")
    probes = tuple(probes)
    with undisturbed(model):
        where, goal = coordinates(model, start), coordinates(model, end)
        if where.rows.ndim != 1 or where.rows.shape != goal.rows.shape:
            raise ContextError(
                "path goes between two single contexts of one width, got coordinates "
                f"{tuple(where.rows.shape)} and {tuple(goal.rows.shape)}: index one context of many."
            )
        places = torch.linspace(0, 1, steps, dtype=torch.float64)
        rows = _between(where.rows, goal.rows, places)
        ends = generated(where, rows[[0, -1]], model)
        parts = list(portions(model, steps, probes))
        made = (generated(where, rows[part], model) for part in parts)
        mixed = ({name: _between(pair[0], pair[1], places[part]) for name, pair in ends.items()} for part in parts)
        losses, changes, ways = _along(model, made, probes, mode)
        mixed_losses, mixed_changes, _ = _along(model, mixed, probes, mode)
    flat = torch.cat([ends[name].detach().double().cpu().flatten() for name in compared(model.target)])
    return ContextPath(
        names=names,
        places=places,
        probes=tuple(probe.name for probe in probes),
        measures=tuple(probe.measure if probe.loss is not None else "" for probe in probes),
        losses=losses,
        mixed_losses=mixed_losses,
        changes=changes,
        mixed_changes=mixed_changes,
        travelled=ways.cumsum(0),
        distance=float(_moved(model, {}, ends)[1]),
        size=float(flat.square().mean().sqrt()),
    )


def _between(start: Tensor, end: Tensor, places: Tensor) -> Tensor:
    """``(steps, *shape)`` on the straight line between two tensors, both ends exact."""
    weight = places.to(start.device).reshape(-1, *[1] * start.ndim)
    return torch.lerp(start.double(), end.double(), weight).to(start.dtype)


def _along(
    model: HyperDNN, networks: Iterable[Weights], probes: Sequence[Probe], mode: Mode
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses and changes ``(probes, steps)`` of networks that come in portions, and how far weights move at each."""
    losses: list[Tensor] = []
    changes: list[Tensor] = []
    ways: list[Tensor] = []
    first: list[Tensor] = []
    last: Weights = {}
    for weights in networks:
        found = [outputs(model, weights, probe, mode) for probe in probes]
        first = first or [one[:1] for one in found]
        ways.append(_moved(model, last, weights))
        losses.append(_stacked(map(loss_of, probes, found), ways[-1]))
        changes.append(_stacked((rms(one - start) for one, start in zip(found, first, strict=True)), ways[-1]))
        last = {name: tensor[-1:] for name, tensor in weights.items()}
    return torch.cat(losses, 1), torch.cat(changes, 1), torch.cat(ways)


def _moved(model: HyperDNN, last: Weights, weights: Weights) -> Tensor:
    """Root mean square difference of each network's weights from those before; `last` are before the first."""
    squares, numbers = torch.zeros((), dtype=torch.float64), 0
    for name in compared(model.target):
        tensor = weights[name]
        rows = torch.cat([last.get(name, tensor[:1]), tensor]).flatten(1).double().cpu()
        squares = squares + rows.diff(dim=0).square().sum(1)
        numbers += rows.shape[1]
    return (squares / max(numbers, 1)).sqrt()


def _stacked(rows: Iterable[Tensor], like: Tensor) -> Tensor:
    """``(rows, steps)``, also for no row."""
    return torch.cat([like.new_empty(0, len(like)), *(row[None] for row in rows)])


def _number(value: Tensor) -> str:
    return f"{float(value):.3g}"
