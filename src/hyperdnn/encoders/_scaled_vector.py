"""Context vectors whose coordinates have ranges."""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_vector, is_readable
from hyperdnn.errors import ConfigError, ContextError

__all__ = ["ScaledVector"]


@final
class ScaledVector(nn.Module):
    """Brings each coordinate of a context vector from its range to [-1, 1]: hyperparameters, physical constants.

    Coordinates that span orders of magnitude (a learning rate, a penalty) are scaled by their logarithm. Inside
    ``torch.compile`` and ``torch.vmap`` values cannot be read, and one outside of its range passes unnoticed.

    Args:
        ranges: lowest and highest value of each coordinate.
        log: which coordinates are scaled by their logarithm, by position.
        device: where samples are drawn; follows the module.
        dtype: their type.

    Shape:
        ``(*contexts, len(ranges))`` -> the same.

    Raises:
        ConfigError: if a range is empty, or a logarithmic one is not positive.
        ContextError: if the width is wrong, or a value is not finite or outside of its range.
    """

    like: Tensor

    def __init__(
        self,
        ranges: Sequence[Sequence[float]],
        *,
        log: Sequence[int] = (),
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.ranges = tuple((float(low), float(high)) for low, high in ranges)
        self.log = tuple(log)
        self.features = len(self.ranges)
        _check_ranges(self.ranges, self.log)
        self._is_log = [i in self.log for i in range(self.features)]
        ends = [
            (math.log(low), math.log(high)) if is_log else (low, high)
            for is_log, (low, high) in zip(self._is_log, self.ranges, strict=True)
        ]
        self._middles = [low / 2 + high / 2 for low, high in ends]
        self._halves = [high / 2 - low / 2 for low, high in ends]
        # Remembers device and type through .to(); holds nothing worth saving.
        self.register_buffer("like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def sample(self, *sizes: int, generator: torch.Generator | None = None) -> Float[Tensor, "*contexts features"]:
        """Draw contexts ``(*sizes, features)``, uniform in the scaled space: log-uniform where the scale is."""
        wide = torch.promote_types(self.like.dtype, torch.float32)
        unit = torch.rand(*sizes, self.features, generator=generator, device=self.like.device, dtype=wide) * 2 - 1
        values = _row(self._middles, unit) + _row(self._halves, unit) * unit
        values = torch.where(self._logarithmic(unit), values.exp(), values)
        low, high = (_row(ends, unit) for ends in zip(*self.ranges, strict=True))
        return values.clamp(low, high).to(self.like.dtype)

    def forward(self, context: Float[Tensor, "*contexts features"]) -> Float[Tensor, "*contexts features"]:
        check_vector(context, self.features, "ScaledVector")
        if is_readable(context):
            self._check(context)
        values = context.to(torch.promote_types(context.dtype, torch.float32))
        mask = self._logarithmic(values)
        logs = torch.where(mask, values, 1.0).log()  # of linear ones it might be NaN, which spoils the gradient
        values = torch.where(mask, logs, values)
        return ((values - _row(self._middles, values)) / _row(self._halves, values)).to(context.dtype)

    def _logarithmic(self, like: Tensor) -> Tensor:
        return torch.tensor(self._is_log, device=like.device)

    def _check(self, context: Tensor) -> None:
        low, high = (_row(ends, context) for ends in zip(*self.ranges, strict=True))
        slack = 4 * torch.finfo(context.dtype).eps  # a bound that was computed may be off in its last digits
        outside = (context < low - slack * low.abs()) | (context > high + slack * high.abs())
        outside |= self._logarithmic(context) & (context <= 0)  # the lower end may be zero in half precision
        if bool(outside.any()):
            where = outside.nonzero()[0].tolist()
            low_end, high_end = self.ranges[where[-1]]
            raise ContextError(
                f"ScaledVector: {context[tuple(where)].item():g} at {where} is outside of its range "
                f"{low_end:g} to {high_end:g}. Give coordinate {where[-1]} a wider range, or clip it."
            )


def _row(values: Sequence[float], like: Tensor) -> Tensor:
    # Made from Python's numbers on every call: a buffer would keep the rounding of a passing half precision.
    return torch.tensor(values, device=like.device, dtype=like.dtype)


def _check_ranges(ranges: tuple[tuple[float, float], ...], log: tuple[int, ...]) -> None:
    if not ranges:
        raise ConfigError("ScaledVector needs at least one range, as in ScaledVector([(1e-5, 0.1)], log=[0]).")
    for i in log:
        if isinstance(i, bool) or not 0 <= i < len(ranges):
            raise ConfigError(f"log={log}: expected positions of coordinates, 0 to {len(ranges) - 1}, got {i}.")
    for i, (low, high) in enumerate(ranges):
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"range {i}: expected two finite numbers, the lower one first, got ({low:g}, {high:g}).")
        if i in log and low <= 0:
            raise ConfigError(f"range {i}: a logarithmic range must be positive, got ({low:g}, {high:g}).")
