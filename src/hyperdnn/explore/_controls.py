"""Which controls a context has, and which context their positions mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from torch import Tensor

from hyperdnn.encoders import Simplex
from hyperdnn.errors import ContextError
from hyperdnn.explore._scene import Scene

__all__ = ["Controls", "Slider"]

MOST: Final = 8  # sliders: the other numbers of a context stay


@final
@dataclass(frozen=True, kw_only=True)
class Slider:
    """One number of a context that can be moved.

    Args:
        label: what it is.
        low: as far as it goes down.
        high: as far as it goes up.
    """

    label: str
    low: float
    high: float


@final
class Controls:
    """The controls that suit a scene's contexts.

    Args:
        scene: what is explored.

    Attributes:
        kind: ``"known"`` for contexts without numbers of their own, which are picked and blended; ``"shares"`` of a
            whole, which always sum to one; ``"numbers"`` of any other context vector.
        sliders: for the first numbers of a vector.
        start: the coordinates to begin with ``(d,)``.
    """

    kind: Literal["known", "shares", "numbers"]

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        encoder = getattr(scene.view.model.hypernet, "encoder", None)
        self.kind = "known" if not scene.own else "shares" if isinstance(encoder, Simplex) else "numbers"
        self.sliders: tuple[Slider, ...] = ()
        self._ranges: Sequence[tuple[float, float]] = getattr(encoder, "ranges", ())
        width = scene.known.shape[1]
        if scene.own:
            names = [*scene.view.coordinates, *(f"number {k + 1}" for k in range(len(scene.view.coordinates), width))]
            # of two shares one says the other
            moved = 1 if self.kind == "shares" and width == 2 else min(width, MOST)
            self.sliders = tuple(self._slider(k, names[k]) for k in range(moved))
        self.start = scene.known[len(scene.known) // 2 if self.kind == "shares" else 0]

    def row(self, start: Sequence[float], numbers: Sequence[float | None], toward: int | None, share: float) -> Tensor:
        """The coordinates that are meant.

        Args:
            start: coordinates to begin with.
            numbers: where the sliders stand, None where one is empty; they replace the first ones.
            toward: number of a known context to blend with; None for none.
            share: how much of it, from 0 to 1.

        Raises:
            ContextError: a slider has no number, or shares cannot be made to sum to one.
        """
        stand = [number for number in numbers if number is not None]
        if len(stand) < len(numbers):
            raise ContextError("a number of the context is empty. Type one, or move its slider.")
        known = self._scene.known
        row = torch.tensor(start, dtype=known.dtype, device=known.device)
        moved = torch.tensor(stand, dtype=known.dtype, device=known.device)
        row = torch.cat([moved, row[len(moved) :]])
        if self.kind == "shares":
            row = _shares(row, len(moved))
        if toward is None:
            return row
        return torch.lerp(row, known[toward], share)

    def drawn(self, seed: int) -> Tensor:
        """Other coordinates: as the encoder draws contexts, or as spread as the known ones; within sliders.

        Args:
            seed: decides the draw.
        """
        known = self._scene.known
        generator = torch.Generator(known.device).manual_seed(seed)
        sample = getattr(getattr(self._scene.view.model.hypernet, "encoder", None), "sample", None)
        if sample is not None:
            row: Tensor = sample(1, generator=generator)[0].detach().to(known)
        else:
            mean, deviation = known.mean(0), known.std(0, correction=0)
            noise = torch.randn(known.shape[1], generator=generator, dtype=known.dtype, device=known.device)
            row = mean + deviation * noise
        row = row.clone()
        for k, slider in enumerate(self.sliders):
            row[k].clamp_(slider.low, slider.high)
        return row

    def said(self, row: Tensor, first: int, toward: int | None, share: float) -> str:
        """The context in words.

        Args:
            row: its coordinates.
            first: number of the known context that was picked.
            toward: as for `row`.
            share: as for `row`.
        """
        names = self._scene.view.names
        if self.kind == "known":
            if toward is None or share == 0 or toward == first:
                return names[first]
            return f"{share:.0%} of the way from {names[first]} to {names[toward]}"
        if self.kind == "shares":
            return " / ".join(f"{value:.1%}" for value in row.tolist())
        numbers = ", ".join(f"{value:.3g}" for value in row[:4].tolist())
        return f"({numbers}{', ...' if len(row) > 4 else ''})"

    def _slider(self, k: int, label: str) -> Slider:
        if self.kind == "shares":
            return Slider(label=label, low=0.0, high=1.0)
        column = self._scene.known[:, k]
        least, most = column.min().item(), column.max().item()
        if least == most:
            least, most = least - 1, most + 1
        low, high = _rounded(least, most)
        for start, end in self._ranges[k : k + 1]:  # beyond it the encoder takes nothing
            low, high = min(max(low, start), least), max(min(high, end), most)
        return Slider(label=label, low=low, high=high)


def _rounded(low: float, high: float) -> tuple[float, float]:
    """The ends moved outwards to round numbers: there is no room for sixteen digits."""
    digits = 2 - math.floor(math.log10(high - low))
    scale = 10.0**digits
    return round(math.floor(low * scale) / scale, digits), round(math.ceil(high * scale) / scale, digits)


def _shares(row: Tensor, moved: int) -> Tensor:
    """Shares that sum to one: with one slider the rest has what is left, with several all are scaled."""
    if moved == 1:
        rest = row[1:].sum()
        others = row[1:] / rest if rest > 0 else torch.full_like(row[1:], 1 / max(len(row) - 1, 1))
        return torch.cat([row[:1], (1 - row[:1]) * others])
    total = row.sum()
    if total <= 0:
        raise ContextError("all shares are zero: raise one of them.")
    return row / total
