"""Coordinates with ranges, brought to one scale."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from hyperdnn.encoders._finite import check_vector, is_readable
from hyperdnn.errors import ConfigError, ContextError

__all__ = ["Ranges"]


@final
class Ranges:
    """Brings each coordinate from its range to [-1, 1], some by their logarithm.

    Args:
        encoder: for messages.
        ranges: lowest and highest value of each coordinate.
        log: which coordinates are scaled by their logarithm, by position.

    Raises:
        ConfigError: if a range is empty, or a logarithmic one is not positive.
    """

    def __init__(self, encoder: str, ranges: Sequence[Sequence[float]], log: Sequence[int]) -> None:
        self.encoder = encoder
        odd = [one for one in ranges if not hasattr(one, "__len__") or len(one) != 2]
        if odd:
            raise ConfigError(
                f"{encoder} takes a pair (low, high) for each coordinate, as in [(0, 1)], got {odd[0]!r}."
            )
        self.pairs = tuple((float(low), float(high)) for low, high in ranges)
        self.log = tuple(log)
        _check_ranges(encoder, self.pairs, self.log)
        self._is_log = [i in self.log for i in range(len(self.pairs))]
        ends = [
            (math.log(low), math.log(high)) if is_log else (low, high)
            for is_log, (low, high) in zip(self._is_log, self.pairs, strict=True)
        ]
        self._middles = [low / 2 + high / 2 for low, high in ends]
        self._halves = [high / 2 - low / 2 for low, high in ends]

    def sample(self, sizes: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw vectors ``(*sizes, len(ranges))``, uniform in the scaled space, of the type and device of ``like``."""
        wide = torch.promote_types(like.dtype, torch.float32)
        unit = torch.rand(*sizes, len(self.pairs), generator=generator, device=like.device, dtype=wide) * 2 - 1
        values = _row(self._middles, unit) + _row(self._halves, unit) * unit
        values = torch.where(self._logarithmic(unit), values.exp(), values)
        low, high = (_row(ends, unit) for ends in zip(*self.pairs, strict=True))
        return values.clamp(low, high).to(like.dtype)

    def scale(self, context: Tensor) -> Tensor:
        """Check vectors and bring them to [-1, 1], in single precision or better.

        Raises:
            ContextError: if the width is wrong, or a value is not finite or outside of its range.
        """
        check_vector(context, len(self.pairs), self.encoder)
        if is_readable(context):
            self._check(context)
        values = context.to(torch.promote_types(context.dtype, torch.float32))
        mask = self._logarithmic(values)
        logs = torch.where(mask, values, 1.0).log()  # of linear ones it might be NaN, which spoils the gradient
        values = torch.where(mask, logs, values)
        return (values - _row(self._middles, values)) / _row(self._halves, values)

    def _logarithmic(self, like: Tensor) -> Tensor:
        return torch.tensor(self._is_log, device=like.device)

    def _check(self, context: Tensor) -> None:
        low, high = (_row(ends, context) for ends in zip(*self.pairs, strict=True))
        slack = 4 * torch.finfo(context.dtype).eps  # a bound that was computed may be off in its last digits
        outside = (context < low - slack * low.abs()) | (context > high + slack * high.abs())
        outside |= self._logarithmic(context) & (context <= 0)  # the lower end may be zero in half precision
        if bool(outside.any()):
            where = outside.nonzero()[0].tolist()
            low_end, high_end = self.pairs[where[-1]]
            raise ContextError(
                f"{self.encoder}: {context[tuple(where)].item():g} at {where} is outside of its range "
                f"{low_end:g} to {high_end:g}. Give coordinate {where[-1]} a wider range, or clip it."
            )


def _row(values: Sequence[float], like: Tensor) -> Tensor:
    # Made from Python's numbers on every call: a buffer would keep the rounding of a passing half precision.
    return torch.tensor(values, device=like.device, dtype=like.dtype)


def _check_ranges(encoder: str, ranges: tuple[tuple[float, float], ...], log: tuple[int, ...]) -> None:
    if not ranges:
        raise ConfigError(f"{encoder} needs at least one range, as in {encoder}([(1e-5, 0.1)], log=[0]).")
    for i in log:
        if isinstance(i, bool) or not 0 <= i < len(ranges):
            raise ConfigError(f"log={log}: expected positions of coordinates, 0 to {len(ranges) - 1}, got {i}.")
    for i, (low, high) in enumerate(ranges):
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"range {i}: expected two finite numbers, the lower one first, got ({low:g}, {high:g}).")
        if i in log and low <= 0:
            raise ConfigError(f"range {i}: a logarithmic range must be positive, got ({low:g}, {high:g}).")
