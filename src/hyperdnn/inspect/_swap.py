"""Which layers carry the difference between two contexts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect._layers import by_layer, layers
from hyperdnn.inspect._outcome import Mode, loss_of, outputs, portions, rms, solid
from hyperdnn.inspect._plain import plain
from hyperdnn.inspect._probe import Probe
from hyperdnn.inspect._spread import SAME
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.inspect._weight_words import listed
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context, Weights

__all__ = ["Swap", "swap"]

NOTHING = 0.01
"""A layer that changes outputs by less than this share of the whole difference carries nothing of it."""

TOGETHER = 0.9
"""No layer is worth naming as the nearest where all of them leave more than this share."""

EVERYTHING = 0.05
"""Nothing else is needed where less than this share of the whole difference is left."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Swap:
    """What `swap` measured of networks that have one layer from another context; print it.

    Changes of outputs are root mean squares, as shares of the whole difference between the two networks.

    Args:
        names: of the two contexts, the first and the second.
        layers: of the target.
        weights: ``(layers,)``, root mean square difference of the layer's weights, relative to their size.
        probes: names of the data.
        measures: what each probe's loss is; empty for a probe without one.
        difference: ``(probes,)``, root mean square difference of outputs between the two networks.
        sizes: ``(probes,)``, root mean square of the first network's outputs.
        taken: ``(probes, layers)``, change of the first network's outputs where it takes this layer from the second.
        left: ``(probes, layers)``, what is left of the difference to the second then.
        lost: ``(probes, layers)``, change of the second network's outputs where it takes this layer from the first.
        losses: ``(probes, 2)`` of the two networks as they are; nan for a probe without a loss.
        taken_losses: ``(probes, layers)`` of the first network with this layer of the second.
        lost_losses: ``(probes, layers)`` of the second network with this layer of the first.
    """

    names: tuple[str, str]
    layers: tuple[str, ...]
    weights: Tensor
    probes: tuple[str, ...]
    measures: tuple[str, ...]
    difference: Tensor
    sizes: Tensor
    taken: Tensor
    left: Tensor
    lost: Tensor
    losses: Tensor
    taken_losses: Tensor
    lost_losses: Tensor

    @property
    def differ(self) -> bool:
        """Whether the two networks' outputs differ on any probe by more than rounding."""
        return bool((self.difference > SAME * self.sizes).any())

    def idle_layers(self) -> tuple[str, ...]:
        """Those that carry nothing of the difference, on no probe and neither way."""
        return self._where(torch.maximum(self.taken, self.lost).amax(0) <= NOTHING)

    def sufficient_layers(self) -> tuple[str, ...]:
        """Those that carry everything, on all probes: with one of them the first network is the second."""
        return self._where(self.left.amax(0) <= EVERYTHING)

    def _where(self, true: Tensor) -> tuple[str, ...]:
        return tuple(name for name, one in zip(self.layers, true.tolist(), strict=True) if one)

    def findings(self) -> tuple[str, ...]:
        """What the numbers say, in words."""
        return tuple(self._words())

    def _words(self) -> Iterator[str]:
        first, second = self.names
        if not bool(self.difference.isfinite().all()):
            yield "Outputs are not finite: nothing can be said of layers."
            return
        if not self.differ:
            yield f"'{first}' and '{second}' give the same outputs: no layer has a difference to carry."
            return
        if whole := self.sufficient_layers():
            alone = "alone carries" if len(whole) == 1 else "carry, each alone,"
            yield f"{_named(whole)} {alone} the whole difference between '{first}' and '{second}'."
        else:
            left = self.left.mean(0)
            best = int(left.argmin())
            if float(left[best]) >= TOGETHER:
                yield f"No single layer brings '{first}' nearer to '{second}': layers carry the difference together."
            else:
                yield (
                    f"No single layer turns '{first}' into '{second}': '{self.layers[best]}' comes nearest, and leaves "
                    f"{float(left[best]):.0%} of the difference."
                )
        same = self._where(self.weights <= SAME)
        if same:
            yield f"{_named(same)} {'has' if len(same) == 1 else 'have'} the same weights for both."
        idle = tuple(name for name in self.idle_layers() if name not in same)
        if idle:
            differ = "differs in its weights, but carries" if len(idle) == 1 else "differ in their weights, but carry"
            yield f"{_named(idle)} {differ} less than {NOTHING:.0%} of the difference."

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; None stands where a number is not finite or missing."""
        data: dict[str, Any] = plain(self)
        return data | {"findings": list(self.findings())}

    def __str__(self) -> str:
        width = max([len("layer"), *(len(name) for name in self.layers)])
        rows = [f"{'layer':<{width}}  {'weights':>9}  {'taken':>9}  {'left':>9}  {'lost':>9}"]
        means = [self.weights, self.taken.mean(0), self.left.mean(0), self.lost.mean(0)]
        for name, *cells in zip(self.layers, *(mean.tolist() for mean in means), strict=True):
            rows.append(f"{name:<{width}}  " + "  ".join(f"{cell:>9.1%}" for cell in cells))
        return "\n".join([*rows, *self.findings()])


def swap(
    model: HyperDNN,
    first: Context,
    second: Context,
    probes: Sequence[Probe],
    *,
    names: tuple[str, str] = ("first", "second"),
    mode: Mode = "vmap",
) -> Swap:
    """Find the layers that carry the adaptation: swap one layer's weights between two contexts, and measure.

    Each layer is put into the first context's network from the second's, all else staying as it is, and the other way
    round. All these networks run together. Nothing of the model is changed; it runs in evaluation mode, a distribution
    over weights at its mean.

    Args:
        model: to look at.
        first: a single context.
        second: another one.
        probes: data to run the networks on, one or more.
        names: what the two contexts are called.
        mode: as for `Target.batched`.

    Raises:
        ConfigError: without a probe.
        ContextError: if a context is not a single one.
        BufferPolicyError: if every context has running statistics of its own.
    """
    probes = tuple(probes)
    if not probes:
        raise ConfigError("swap compares outputs: pass one probe or more.")
    groups = layers(model.target)
    count = len(groups)
    with undisturbed(model):
        pair = _pair(model, first, second)
        ends = [outputs(model, pair, probe, mode) for probe in probes]
        found = [_swapped(model, pair, part, ends, probes, mode) for part in portions(model, 2 * count, probes)]
    from_first, from_second, losses = torch.cat(found, -1)
    apart = {name: tensor[1] - tensor[0] for name, tensor in pair.items()}
    difference = torch.cat([rms(end[1:] - end[:1]) for end in ends])
    moved, sizes = (by_layer(model.target, _mean_squares(rows)) for rows in (apart, pair))
    return Swap(
        names=names,
        layers=tuple(groups),
        weights=_share(moved, sizes),
        probes=tuple(probe.name for probe in probes),
        measures=tuple(probe.measure if probe.loss is not None else "" for probe in probes),
        difference=difference,
        sizes=torch.cat([rms(end[:1]) for end in ends]),
        taken=_share(from_first[:, :count], difference[:, None]),
        left=_share(from_second[:, :count], difference[:, None]),
        lost=_share(from_second[:, count:], difference[:, None]),
        losses=torch.stack([loss_of(probe, end) for probe, end in zip(probes, ends, strict=True)]),
        taken_losses=losses[:, :count],
        lost_losses=losses[:, count:],
    )


def _pair(model: HyperDNN, first: Context, second: Context) -> Weights:
    """``(2, *shape)``."""
    pair = [solid(model.generate(context)) for context in (first, second)]
    for weights in pair:
        dims = model.target.layout.check(weights)
        if dims:
            raise ContextError(f"swap compares two single contexts, got {tuple(dims)} of them: index one.")
    return {name: torch.stack([weights[name] for weights in pair]) for name in model.target.layout.names}


def _swapped(
    model: HyperDNN, pair: Weights, part: slice, ends: Sequence[Tensor], probes: Sequence[Probe], mode: Mode
) -> Tensor:
    """Networks of one layer each from the other context: distances to both ends and losses, ``(3, probes, k)``.

    Of n layers the first n networks are the first context's with one layer of the second, the others the reverse.
    """
    groups = layers(model.target)
    own = torch.eye(len(groups), dtype=torch.long)
    choice = torch.cat([own, 1 - own])[part]
    weights = {
        name: pair[name][choice[:, k].to(pair[name].device)]
        for k, names in enumerate(groups.values())
        for name in names
    }
    found = [outputs(model, weights, probe, mode) for probe in probes]
    distances = [torch.stack([rms(one - end[k : k + 1]) for one, end in zip(found, ends, strict=True)]) for k in (0, 1)]
    return torch.stack([*distances, torch.stack(list(map(loss_of, probes, found)))])


def _mean_squares(weights: Weights) -> Tensor:
    """``(tensors,)``."""
    return torch.cat([rms(tensor[None]).square() for tensor in weights.values()])


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """Their ratio; nothing of nothing is nothing."""
    return torch.where(part == 0, 0.0, part / whole)


def _named(names: Sequence[str]) -> str:
    return f"{'Layer' if len(names) == 1 else 'Layers'} {listed(names)}"
