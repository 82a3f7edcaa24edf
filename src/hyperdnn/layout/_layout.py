"""The ordered set of tensors to generate."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hyperdnn.errors import LayoutError, nearest
from hyperdnn.layout._fan import role
from hyperdnn.layout._select import Selector, choose, qualified
from hyperdnn.layout._spec import Kind, ParamSpec
from hyperdnn.typing import Weights

__all__ = ["ParamLayout"]


@final
@dataclass(frozen=True)
class ParamLayout:
    """Ordered names, shapes and offsets of what must be generated.

    Tied parameters appear once, under their first name; the others are that spec's aliases.

    Args:
        specs: one for each tensor; names must differ.

    Raises:
        LayoutError: if it would be empty, or a name comes twice.
    """

    specs: tuple[ParamSpec, ...]

    def __post_init__(self) -> None:
        if not self.specs:
            raise LayoutError("the layout is empty: the target has no parameter to generate.")
        names = [name for spec in self.specs for name in spec.names]
        twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if twice:
            raise LayoutError(f"'{min(twice)}' stands in the layout twice.")

    @classmethod
    def of(cls, module: nn.Module) -> "ParamLayout":
        """The layout of all parameters of a module, with the mean and deviation of their present values.

        Raises:
            LayoutError: if the module has no parameter, an uninitialised (lazy) one, or one with a value that is not
                finite.
        """
        first: dict[int, str] = {}
        aliases: dict[str, list[str]] = {}
        found: dict[str, tuple[nn.Module, str, Tensor]] = {}
        for path, owner in module.named_modules(remove_duplicate=False):
            for leaf, tensor in owner.named_parameters(recurse=False, remove_duplicate=False):
                name = f"{path}.{leaf}" if path else leaf
                primary = first.setdefault(id(tensor), name)
                if primary == name:
                    found[name] = (owner, leaf, tensor)
                    aliases[name] = []
                else:
                    aliases[primary].append(name)
        if not found:
            raise LayoutError(
                f"{type(module).__name__} has no parameters: there is nothing to generate. "
                "If a Target already took it over, its weights are gone: pass a fresh module."
            )
        return cls(tuple(_spec(name, *where, tuple(aliases[name])) for name, where in found.items()))

    def select(self, *selectors: Selector) -> "ParamLayout":
        """The part that any selector matches: a glob over names, a layer type, or a predicate over specs.

        Raises:
            LayoutError: if one of them matches nothing.
        """
        return ParamLayout(choose(self.specs, selectors))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in order, without aliases."""
        return tuple(spec.name for spec in self.specs)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in each tensor."""
        return tuple(spec.numel for spec in self.specs)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each tensor starts in the flat vector."""
        return (0, *accumulate(self.sizes[:-1]))

    @cached_property
    def numel(self) -> int:
        """How many numbers are generated for one context."""
        return sum(self.sizes)

    @cached_property
    def _by_name(self) -> dict[str, ParamSpec]:
        return {spec.name: spec for spec in self.specs}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, shapes and aliases: equal for two targets that the same weights fit."""
        what = [[spec.name, spec.shape, spec.aliases] for spec in self.specs]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.specs)

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.specs)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> ParamSpec:
        if name not in self._by_name:
            raise LayoutError(f"'{name}' is not in the layout.{nearest(name, self.names)}")
        return self._by_name[name]

    def split(self, flat: Tensor, *, unused: int = 0) -> Weights:
        """Cut a flat vector into named tensors.

        The vector is cut once, whatever the number of tensors, so its backward is one concatenation.

        Args:
            flat: ``(*contexts, numel + unused)``.
            unused: numbers at the end that belong to no tensor.

        Raises:
            LayoutError: if the last dimension has another size.
        """
        if flat.ndim == 0 or flat.shape[-1] != self.numel + unused:
            raise LayoutError(f"expected (*contexts, {self.numel + unused}) numbers to split, got {tuple(flat.shape)}.")
        contexts = flat.shape[:-1]
        pieces = torch.split(flat, [*self.sizes, unused] if unused else list(self.sizes), dim=-1)
        return {
            spec.name: piece.reshape(contexts + spec.shape) for spec, piece in zip(self.specs, pieces, strict=False)
        }

    def join(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The inverse of `split`: one vector ``(*contexts, numel)``.

        Raises:
            LayoutError: if the weights do not fit the layout.
        """
        contexts = self.check(weights)
        return torch.cat([weights[spec.name].reshape(*contexts, spec.numel) for spec in self.specs], dim=-1)

    def check(self, weights: Mapping[str, Tensor]) -> torch.Size:
        """Verify names, shapes and context dimensions, and return the context dimensions.

        Raises:
            LayoutError: naming the first tensor that is missing, unknown or of the wrong shape.
        """
        if weights.keys() != self._by_name.keys():
            self._wrong_names(weights)
        contexts: torch.Size | None = None
        for spec in self.specs:
            shape = weights[spec.name].shape
            lead = len(shape) - len(spec.shape)
            if lead < 0 or shape[lead:] != spec.shape:
                wanted = ", ".join(["*contexts", *map(str, spec.shape)])
                raise LayoutError(f"'{spec.name}': expected ({wanted}), got {tuple(shape)}.")
            if contexts is None:
                contexts = shape[:lead]
            elif contexts != shape[:lead]:
                raise LayoutError(
                    f"'{spec.name}' has context dimensions {tuple(shape[:lead])}, "
                    f"but '{self.specs[0].name}' has {tuple(contexts)}: all must agree."
                )
        assert contexts is not None  # a layout is never empty
        return contexts

    def difference(self, other: "ParamLayout") -> str | None:
        """The first difference to another layout in words, or None if the same weights fit both."""
        for mine, theirs in zip(self.specs, other.specs, strict=False):
            if mine.name != theirs.name:
                return f"'{mine.name}' stands where the other has '{theirs.name}'"
            if mine.shape != theirs.shape:
                return f"'{mine.name}' is {mine.shape}, the other's is {theirs.shape}"
            if mine.aliases != theirs.aliases:
                ties = (mine.aliases or "nothing", theirs.aliases or "nothing")
                return f"'{mine.name}' is tied to {ties[0]}, the other's to {ties[1]}"
        if len(self) > len(other):
            return f"'{self.specs[len(other)].name}' is not in the other"
        if len(self) < len(other):
            return f"'{other.specs[len(self)].name}' is only in the other"
        return None

    def to_json(self) -> list[dict[str, Any]]:
        """A list of plain values, read back by `from_json`."""
        return [spec.to_json() for spec in self.specs]

    @classmethod
    def from_json(cls, data: list[dict[str, Any]]) -> "ParamLayout":
        """The inverse of `to_json`."""
        return cls(tuple(ParamSpec.from_json(spec) for spec in data))

    def _wrong_names(self, weights: Mapping[str, Tensor]) -> None:
        for name in weights:
            if name not in self._by_name:
                raise LayoutError(f"'{name}' is not generated for this target.{nearest(name, self.names)}")
        missing = next(name for name in self.names if name not in weights)
        raise LayoutError(f"'{missing}' is missing from the weights.")


def _spec(name: str, owner: nn.Module, leaf: str, tensor: Tensor, aliases: tuple[str, ...]) -> ParamSpec:
    if is_lazy(tensor):
        raise LayoutError(f"'{name}' has no shape yet: run the module once on an example, then build the target.")
    kind, fan_in, fan_out = role(owner, leaf, tensor)
    mean, std = _moments(name, tensor, kind, fan_in)
    return ParamSpec(
        name=name,
        shape=tuple(tensor.shape),
        dtype=tensor.dtype,
        kind=kind,
        fan_in=fan_in,
        fan_out=fan_out,
        init_mean=mean,
        init_std=std,
        layer=tuple(qualified(t) for t in type(owner).__mro__[:-1] if t is not nn.Module),
        aliases=aliases,
    )


def _moments(name: str, tensor: Tensor, kind: Kind, fan_in: int) -> tuple[float, float]:
    if tensor.is_meta:
        # Nothing to measure: torch's own rule, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), and 1 and 0 for normalisation.
        if kind in ("norm_gain", "norm_bias"):
            return float(kind == "norm_gain"), 0.0
        return 0.0, 1.0 if kind == "embedding" else (3 * fan_in) ** -0.5
    if tensor.numel() == 0:
        return 0.0, 0.0
    std, mean = torch.std_mean(tensor.detach().double(), correction=0)
    if not bool(torch.isfinite(std)):
        raise LayoutError(f"'{name}' holds a value that is not finite: generated weights start from its distribution.")
    return float(mean), float(std)
