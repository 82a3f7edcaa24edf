"""The ordered set of tensors to generate."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hyperdnn.errors import LayoutError, nearest
from hyperdnn.layout._fan import role
from hyperdnn.layout._select import Selector, choose, qualified
from hyperdnn.layout._spec import ParamSpec
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
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Names in order, without aliases."""
    sizes: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Numbers in each tensor."""
    offsets: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Where each tensor starts in the flat vector."""
    numel: int = field(init=False, repr=False, compare=False)
    """How many numbers are generated for one context."""
    _by_name: dict[str, ParamSpec] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.specs:
            raise LayoutError("the layout is empty: the target has no parameter to generate.")
        twice = [name for name, count in Counter(n for spec in self.specs for n in spec.names).items() if count > 1]
        if twice:
            raise LayoutError(f"'{twice[0]}' stands in the layout twice.")
        sizes = tuple(spec.numel for spec in self.specs)
        # Computed now and not when first read: a compiled model cannot take the lock of a cached property.
        object.__setattr__(self, "names", tuple(spec.name for spec in self.specs))
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "offsets", (0, *accumulate(sizes[:-1])))
        object.__setattr__(self, "numel", sum(sizes))
        object.__setattr__(self, "_by_name", {spec.name: spec for spec in self.specs})

    @classmethod
    def of(cls, module: nn.Module, *selectors: Selector) -> "ParamLayout":
        """The layout of a module's parameters, with the mean and deviation of their present values.

        Args:
            module: where the parameters are.
            selectors: which of them, as for `select`; all by default. What is not selected is not measured.

        Raises:
            LayoutError: if the module has no parameter, a selector matches nothing, or a selected parameter is
                uninitialised (lazy), not real, or has a value that is not finite.
        """
        owners: dict[int, list[tuple[nn.Module, str, str]]] = {}
        tensors: dict[int, Tensor] = {}
        for path, owner in module.named_modules(remove_duplicate=False):
            for leaf, tensor in owner.named_parameters(recurse=False, remove_duplicate=False):
                owners.setdefault(id(tensor), []).append((owner, leaf, f"{path}.{leaf}" if path else leaf))
                tensors[id(tensor)] = tensor
        if not owners:
            raise LayoutError(
                f"{type(module).__name__} has no parameters: there is nothing to generate. "
                "If a Target already took it over, its weights are gone: pass a fresh module."
            )
        specs = {key: _spec(tensors[key], found) for key, found in owners.items()}
        chosen = {spec.name for spec in (choose(specs.values(), selectors) if selectors else specs.values())}
        return cls(tuple(_measured(spec, tensors[key]) for key, spec in specs.items() if spec.name in chosen))

    def select(self, *selectors: Selector) -> "ParamLayout":
        """The part that any selector matches: a glob over names, a layer type, or a predicate over specs.

        Raises:
            LayoutError: if one of them matches nothing.
        """
        return ParamLayout(choose(self.specs, selectors))

    @property
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
        """Verify names, kinds, shapes and context dimensions, and return the context dimensions.

        Raises:
            LayoutError: naming the first tensor that is missing, unknown, of the wrong shape, not of real numbers, or
                on another device than the first.
        """
        if not isinstance(weights, Mapping):
            raise LayoutError(f"weights are a dict of tensors by name, got {type(weights).__name__}.")
        if weights.keys() != self._by_name.keys():
            self._wrong_names(weights)
        contexts: torch.Size | None = None
        device = getattr(weights[self.specs[0].name], "device", None)
        for spec in self.specs:
            tensor = weights[spec.name]
            if not (
                isinstance(tensor, Tensor)
                and tensor.is_floating_point()
                and tensor.layout is torch.strided
                and tensor.device == device
            ):
                raise LayoutError(_no_weight(spec.name, tensor, device))
            shape = tensor.shape
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
        """The inverse of `to_json`, for values from a file that anybody may have written.

        Raises:
            LayoutError: if they are not what `to_json` writes.
        """
        if not isinstance(data, list):
            raise LayoutError(f"a layout is a list of specs, got {type(data).__name__}.")
        return cls(tuple(ParamSpec.from_json(spec) for spec in data))

    def _wrong_names(self, weights: Mapping[str, Tensor]) -> None:
        for name in weights:
            if name not in self._by_name:
                raise LayoutError(f"'{name}' is not generated for this target.{nearest(str(name), self.names)}")
        missing = next(name for name in self.names if name not in weights)
        raise LayoutError(f"'{missing}' is missing from the weights.")


def _no_weight(name: str, given: object, device: torch.device | None) -> str:
    """Why something is no weight, in words."""
    if not isinstance(given, Tensor):
        return f"'{name}': expected a tensor, got {type(given).__name__}."
    if not given.is_floating_point():
        return f"'{name}': expected real floating-point numbers, got {given.dtype}."
    if given.layout is not torch.strided:
        return f"'{name}': expected a dense tensor, got {given.layout}."
    return f"'{name}' is on {given.device}, other weights on {device}: move them to one device."


def _spec(tensor: Tensor, owners: list[tuple[nn.Module, str, str]]) -> ParamSpec:
    """What can be said of a parameter without looking at its values."""
    (owner, leaf, name), *others = owners
    if is_lazy(tensor):
        raise LayoutError(f"'{name}' has no shape yet: run the module once on an example, then build the target.")
    kind, fan_in, fan_out = role(owner, leaf, tensor)
    layers = [qualified(base) for module, _, _ in owners for base in type(module).__mro__[:-2]]
    return ParamSpec(
        name=name,
        shape=tuple(tensor.shape),
        dtype=tensor.dtype,
        kind=kind,
        fan_in=fan_in,
        fan_out=fan_out,
        layer=tuple(dict.fromkeys(layers)),
        aliases=tuple(alias for _, _, alias in others),
    )


def _measured(spec: ParamSpec, tensor: Tensor) -> ParamSpec:
    if not tensor.is_floating_point():
        raise LayoutError(f"'{spec.name}' is {tensor.dtype}: only real floating-point parameters can be generated.")
    mean, std = _moments(spec, tensor)
    return replace(spec, init_mean=mean, init_std=std)


def _moments(spec: ParamSpec, tensor: Tensor) -> tuple[float, float]:
    if tensor.is_meta:
        # Nothing to measure: torch's own rule, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), and 1 and 0 for normalisation.
        if spec.kind in ("norm_gain", "norm_bias"):
            return float(spec.kind == "norm_gain"), 0.0
        return 0.0, 1.0 if spec.kind == "embedding" else (3 * spec.fan_in) ** -0.5
    if tensor.numel() == 0:
        return 0.0, 0.0
    std, mean = torch.std_mean(tensor.detach().double(), correction=0)
    if not bool(torch.isfinite(std)):
        raise LayoutError(
            f"'{spec.name}' holds a value that is not finite: generated weights start from its distribution."
        )
    return float(mean), float(std)
