"""One tensor to generate."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final, get_args

import torch

from hyperdnn.errors import LayoutError

__all__ = ["Kind", "ParamSpec"]

Kind: TypeAlias = Literal[
    "linear",
    "convolution",
    "transposed_convolution",
    "embedding",
    "in_projection",
    "recurrent_input",
    "recurrent_hidden",
    "norm_gain",
    "norm_bias",
    "bias",
    "change",
    "other",
]
"""What a tensor does in its layer. It decides how its variance propagates."""


@final
@dataclass(frozen=True, kw_only=True)
class ParamSpec:
    """Name, shape and initial distribution of one tensor to generate.

    Args:
        name: dotted name in the target, as in its ``state_dict``.
        shape: without context dimensions.
        dtype: of the target's own parameter.
        kind: what the tensor does in its layer.
        fan_in: numbers summed for one output of the layer; a bias has the fan of its layer's weight.
        fan_out: outputs that one input of the layer reaches.
        init_mean: mean of the tensor as the target's own initialisation left it; zero for a change.
        init_std: its standard deviation.
        layer: qualified names of the owning module's class and its bases, the most specific first; for a tied
            parameter those of all its owners.
        aliases: other names of the same tensor (tied parameters); filled on every call, generated once.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    kind: Kind = "other"
    fan_in: int = 1
    fan_out: int = 1
    init_mean: float = 0.0
    init_std: float = 1.0
    layer: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def numel(self) -> int:
        """How many numbers the tensor has."""
        return math.prod(self.shape)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and all aliases."""
        return (self.name, *self.aliases)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values, read back by `from_json`."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": str(self.dtype).removeprefix("torch."),
            "kind": self.kind,
            "fan_in": self.fan_in,
            "fan_out": self.fan_out,
            "init_mean": self.init_mean,
            "init_std": self.init_std,
            "layer": list(self.layer),
            "aliases": list(self.aliases),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ParamSpec":
        """The inverse of `to_json`, for values from a file that anybody may have written.

        Raises:
            LayoutError: naming the first field that is missing, or of a value that `to_json` does not write.
        """
        if not isinstance(data, dict):
            raise LayoutError(f"a spec of a layout is a mapping, got {type(data).__name__}.")
        for field, (fits, expected) in _PLAIN.items():
            if field not in data:
                raise LayoutError(f"a spec of the layout has no '{field}': {str(data)[:80]}.")
            if not fits(data[field]):
                raise LayoutError(f"'{field}' in the layout: expected {expected}, got {repr(data[field])[:80]}.")
        values = {field: tuple(data[field]) if isinstance(data[field], list) else data[field] for field in _PLAIN}
        return cls(**{**values, "dtype": getattr(torch, data["dtype"])})


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: object) -> bool:
    return type(value) in {int, float} and abs(value) < math.inf  # type: ignore[arg-type]  # nan is not


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_format(value: object) -> bool:
    return isinstance(value, str) and isinstance(getattr(torch, value, None), torch.dtype)


_PLAIN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_text, "text"),
    "shape": (_is_list_of(_is_count), "a list of sizes"),
    "dtype": (_is_format, "a number format of torch"),
    "kind": (lambda value: value in get_args(Kind), "one of " + ", ".join(get_args(Kind))),
    "fan_in": (_is_count, "a whole number"),
    "fan_out": (_is_count, "a whole number"),
    "init_mean": (_is_number, "a finite number"),
    "init_std": (lambda value: _is_number(value) and value >= 0, "a finite number from 0"),
    "layer": (_is_list_of(_is_text), "a list of names"),
    "aliases": (_is_list_of(_is_text), "a list of names"),
}
"""What each field looks like in a file."""
