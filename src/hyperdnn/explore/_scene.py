"""What stays while a context is moved: the known contexts, and the scales on which the moved one is seen."""

import math
from collections.abc import Iterator
from threading import Lock
from typing import Final, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, ContextError, HyperDNNError
from hyperdnn.explore._look import Look
from hyperdnn.explore._picture import pictures
from hyperdnn.inspect import Map, coordinates, flat_map
from hyperdnn.inspect._outcome import first_tensor
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.lab import View
from hyperdnn.typing import Weights

__all__ = ["Scene"]

_AT_ONCE: Final = 2**24  # generated numbers held at a time, 64 MiB in single precision
_MAPPED: Final = 2**26  # numbers that the map of weights is made of


@final
class Scene:
    """A view with everything about its known contexts that is measured once.

    Looking at a context leaves model, mode and random state as they were; what a model draws is the same at every look.

    Args:
        view: what there is to look at.

    Attributes:
        known: the known contexts' coordinates ``(n, d)``.
        own: whether these are the contexts' own numbers, not the encoder's features.
        limits: tensor's name -> the largest weight of all known contexts, and the largest difference between two of
            them, both as the heat map shows them.
        losses: of each known context on each probe of any context ``(n, probes)``, and of each other probe's own
            context; nan elsewhere.
        trouble: why there are no losses, in words; empty where there are.
        contexts_map: the known contexts in the plane.
        weights_map: their generated weights in the plane.

    Raises:
        ConfigError: the view has no contexts.
        ContextError: contexts have no coordinates, or one context becomes several.
    """

    def __init__(self, view: View) -> None:
        if not view.names:
            raise ConfigError("the view has no contexts: there is nothing to explore.")
        found = coordinates(view.model, view.contexts)
        if found.rows.ndim != 2:
            raise ContextError(
                f"explore moves one row of numbers for each context, got rows {tuple(found.rows.shape)} for "
                f"{len(view.names)} contexts: the encoder makes several contexts of one."
            )
        self.view = view
        self.known, self.own = found.rows, found.own
        self._generate = found.generate
        self._lock = Lock()
        numel = view.model.target.layout.numel
        self._portion = max(_AT_ONCE // max(numel, 1), 1)
        self.step = math.ceil(numel * len(self.known) / _MAPPED)  # of the weights, every so many-th is mapped
        self._same = _same_inputs(view)
        with self._lock, undisturbed(view.model):
            self._measure_known()
        self.contexts_map: Map = flat_map(self.known.nan_to_num())

    def look(self, row: Tensor) -> Look:
        """Everything at one place.

        Args:
            row: coordinates ``(d,)``.

        Raises:
            ContextError: the encoder refuses them.
        """
        if not bool(row.isfinite().all()):
            raise ContextError("a number of the context is not finite. Move its slider.")
        row = row.to(self.known)
        model = self.view.model
        with self._lock, undisturbed(model):
            torch.manual_seed(0)
            weights = {name: tensor.detach() for name, tensor in self._generate(row).items()}
            outputs, losses, trouble = self._run(weights)
        distances = (self.known - row).double().norm(dim=1)
        broken = sum(int((~tensor.isfinite()).sum()) for tensor in weights.values())
        flat = torch.zeros_like(self.weights_map.points[0]) if broken else self._place(weights)
        return Look(
            row=row,
            weights=weights,
            broken=broken,
            nearest=int(distances.argmin()),
            distance=float(distances.min()),
            in_contexts=_pair(self.contexts_map.place(row[None])[0]),
            in_weights=_pair(flat),
            outputs=outputs,
            losses=losses,
            trouble=trouble,
        )

    @property
    def objectives(self) -> tuple[int, int] | None:
        """The first two probes with a loss that belong to no context: between them there is a front."""
        free = [k for k, probe in enumerate(self.view.probes) if probe.context is None and probe.loss is not None]
        return (free[0], free[1]) if len(free) > 1 else None

    def _run(self, weights: Weights) -> tuple[tuple[Tensor | None, ...], tuple[float, ...], str]:
        """Outputs and losses of one network on all probes; probes of equal inputs are run once."""
        probes = self.view.probes
        outputs: list[Tensor | None] = [None] * len(probes)
        losses, trouble = [math.nan] * len(probes), ""
        try:
            for k, (probe, same) in enumerate(zip(probes, self._same, strict=True)):
                known = outputs[same]
                found = first_tensor(self.view.model.target(weights, probe.inputs), probe) if known is None else known
                outputs[k] = found.detach()
                if probe.loss is not None:
                    losses[k] = float(probe.measured(found))
        except (HyperDNNError, RuntimeError) as error:
            trouble = str(error)
        return tuple(outputs), tuple(losses), trouble

    def _measure_known(self) -> None:
        limits: dict[str, tuple[Tensor, Tensor]] = {}
        flat: list[Tensor] = []
        for weights in self._portions():
            for name, tensor in weights.items():
                cells = pictures(tensor)
                low, high = cells.amin(0), cells.amax(0)
                if name in limits:
                    low, high = low.minimum(limits[name][0]), high.maximum(limits[name][1])
                limits[name] = (low, high)
            flat.append(_flat(weights, 1)[:, :: self.step])
        self.limits = {
            name: (_scale(torch.stack([low, high])), _scale(high - low)) for name, (low, high) in limits.items()
        }
        self.weights_map: Map = flat_map(torch.cat(flat).nan_to_num())
        self.losses, self.trouble = self._known_losses()

    def _portions(self) -> Iterator[Weights]:
        for rows in torch.split(self.known, self._portion):
            torch.manual_seed(0)
            yield {name: tensor.detach() for name, tensor in self._generate(rows).items()}

    def _known_losses(self) -> tuple[Tensor, str]:
        probes = self.view.probes
        losses = torch.full((len(self.known), len(probes)), math.nan)
        try:
            start = 0
            for weights in self._portions():
                stop = start + len(next(iter(weights.values())))
                for k, probe in enumerate(probes):
                    if probe.loss is None or (probe.context is not None and not start <= probe.context < stop):
                        continue
                    first, last = (start, stop) if probe.context is None else (probe.context, probe.context + 1)
                    some = {name: tensor[first - start : last - start] for name, tensor in weights.items()}
                    outputs = first_tensor(self.view.model.target.batched(some, probe.inputs, data_dims=None), probe)
                    losses[first:last, k] = torch.stack([probe.measured(one).float() for one in outputs])
                start = stop
        except (HyperDNNError, RuntimeError) as error:
            return losses, str(error)
        return losses, ""

    def _place(self, weights: Weights) -> Tensor:
        return self.weights_map.place(_flat(weights, 0)[None, :: self.step])[0]


def _same_inputs(view: View) -> list[int]:
    """For each probe the first one with its inputs, and the same part of the outputs."""
    first: list[int] = []
    for k, probe in enumerate(view.probes):
        alike = (j for j in dict.fromkeys(first) if view.probes[j].answer == probe.answer)
        first.append(next((j for j in alike if torch.equal(view.probes[j].inputs, probe.inputs)), k))
    return first


def _flat(weights: Weights, lead: int) -> Tensor:
    return torch.cat([tensor.flatten(lead).float() for tensor in weights.values()], -1)


def _scale(cells: Tensor) -> float:
    largest = float(cells.abs().nan_to_num(posinf=0.0).max()) if cells.numel() else 0.0
    return largest or 1.0


def _pair(place: Tensor) -> tuple[float, float]:
    x, y = place.tolist()
    return x, y
