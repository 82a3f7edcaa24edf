"""One tensor to generate."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import torch

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
        """The inverse of `to_json`."""
        dtype = getattr(torch, data["dtype"])
        if not isinstance(dtype, torch.dtype):
            raise TypeError(f"'{data['dtype']}' is no number format")
        return cls(
            name=data["name"],
            shape=tuple(data["shape"]),
            dtype=dtype,
            kind=data["kind"],
            fan_in=data["fan_in"],
            fan_out=data["fan_out"],
            init_mean=data["init_mean"],
            init_std=data["init_std"],
            layer=tuple(data["layer"]),
            aliases=tuple(data["aliases"]),
        )
