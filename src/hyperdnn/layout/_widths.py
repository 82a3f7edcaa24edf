"""Narrower versions of one wide network, by slicing its weights."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError, ContextError, LayoutError, nearest
from hyperdnn.layout._architecture import Architecture
from hyperdnn.layout._channels import Keep
from hyperdnn.layout._cut import Cut
from hyperdnn.layout._cut_layers import own_width
from hyperdnn.layout._layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["Widths"]


@final
@dataclass(frozen=True, eq=False)
class Widths:
    """Which channels of a wide network a narrower one keeps: always the first of each layer.

    `slice` cuts weights of the wide network for the module that `narrow` makes. `mask` keeps their shapes, so that
    contexts of different widths fit into one batch. Channels that are gone then hold what the network makes of zeros,
    and zeros in the weights that read them drop it. So the wide network computes the same, unless a normalisation takes
    its statistics over channels (``LayerNorm``, ``RMSNorm``, and ``GroupNorm`` of which a group is cut), what it makes
    of zeros is not finite (a logarithm, a division), or the layer that reads them is kept instead of generated.

    Args:
        wide: what is generated for the wide network.
        layout: what that is for the narrow one, with the mean and deviation of what is kept.
        keep: tensor, parameter or buffer -> what is kept along each of its dimensions.
        sizes: layer -> its attributes that say how wide it is.

    Source:
        Yu et al., "Slimmable Neural Networks", ICLR 2019; Liu et al., "MetaPruning", ICCV 2019.
    """

    wide: ParamLayout
    layout: ParamLayout
    keep: Mapping[str, tuple[Keep, ...]] = field(repr=False)
    sizes: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @classmethod
    def of(cls, architecture: Architecture, widths: Mapping[str, int]) -> "Widths":
        """Follow the kept channels through a network.

        Norms, activations and pools keep them, flattening multiplies them, sums demand that both sides have the same.
        The network's output stays as wide as it is. Costs one trace and a copy of the narrow network.

        Args:
            architecture: the wide network.
            widths: layer, or a glob over layers, to the output channels that it keeps; where several match, the last
                one counts. Linear layers, convolutions and embeddings have a width of their own.

        Raises:
            ConfigError: for what is no architecture, or widths that are no mapping.
            LayoutError: for a name that no such layer has, a width that is not between 1 and the layer's own, sides of
                a sum that would differ, or an operation of which it is unknown what becomes of the channels.
        """
        if not isinstance(architecture, Architecture) or not isinstance(widths, Mapping):
            raise ConfigError(
                "Widths.of takes an Architecture and a dict of widths, such as {'conv1': 8}, got "
                f"{type(architecture).__name__} and {type(widths).__name__}."
            )
        module = architecture.module
        cut = Cut(module, architecture.leaves, _chosen(module, widths))
        keep = {name: dims for name, dims in cut.keep.items() if any(kept is not None for kept in dims)}
        narrow = _narrowed(module, keep, cut.sizes)
        layout = ParamLayout.of(narrow, lambda spec: spec.name in architecture.layout)
        return cls(architecture.layout, layout, keep, cut.sizes)

    def slice(self, weights: Mapping[str, Tensor]) -> Weights:
        """Weights of the narrow network, ``(*contexts, *shape)``, out of those of the wide one.

        Raises:
            LayoutError: if the weights do not fit the wide layout.
        """
        self.wide.check(weights)
        return {name: _sliced(weights[name], self.keep.get(name, ())) for name in self.wide.names}

    def mask(self, weights: Mapping[str, Tensor]) -> Weights:
        """The weights of the wide network with zeros wherever the narrow one has nothing.

        Raises:
            LayoutError: if the weights do not fit the wide layout.
        """
        self.wide.check(weights)
        return {name: _masked(weights[name], self.keep.get(name, ())) for name in self.wide.names}

    def narrow(self, module: nn.Module) -> nn.Module:
        """A copy of the wide network with narrower layers, which hold the first of its own parameters and statistics.

        Raises:
            LayoutError: if the module's parameters are not those of the wide network.
        """
        difference = ParamLayout.of(module, lambda spec: spec.name in self.wide).difference(self.wide)
        if difference:
            raise LayoutError(f"this {type(module).__name__} is not the network that was measured: {difference}.")
        return _narrowed(module, self.keep, self.sizes)

    def bake(self, module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
        """The narrow network as an ordinary module, with what remains of these weights in the place of its own.

        What is not generated, running statistics for one, are the first of the module's own.

        Args:
            module: the wide network, as for `narrow`.
            weights: of the wide network, for one context.

        Raises:
            LayoutError: if the module or the weights are not those of the wide network.
            ContextError: if the weights have context dimensions.
        """
        if contexts := self.wide.check(weights):
            raise ContextError(f"bake makes one network, got weights of {tuple(contexts)} contexts: index one of them.")
        narrow = self.narrow(module).to(next(iter(weights.values())).device)
        narrow.load_state_dict(self.slice(weights), strict=False)
        return narrow


def _chosen(module: nn.Module, widths: Mapping[str, int]) -> dict[str, int]:
    """Layer -> width, globs resolved."""
    layers = dict(module.named_modules())
    own = {path: width for path, layer in layers.items() if (width := own_width(layer)) is not None}
    chosen: dict[str, int] = {}
    for pattern, width in widths.items():
        found = [pattern] if pattern in own else [path for path in own if fnmatchcase(path, pattern)]
        if not found and pattern in layers:
            raise LayoutError(
                f"'{pattern}' ({type(layers[pattern]).__name__}) has no width of its own: it follows its input. Give "
                "the width of a linear layer, convolution or embedding before it."
            )
        if not found:
            raise LayoutError(f"widths: '{pattern}' matches no layer that has a width.{nearest(pattern, own)}")
        chosen |= dict.fromkeys(found, width)
    for path, width in chosen.items():
        if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= own[path]:
            raise LayoutError(f"'{path}': width {width!r}, expected a whole number from 1 to {own[path]}.")
    return chosen


@torch.no_grad()
def _narrowed(
    module: nn.Module, keep: Mapping[str, tuple[Keep, ...]], sizes: Mapping[str, Mapping[str, Any]]
) -> nn.Module:
    narrow = copy.deepcopy(module)
    made: dict[int, tuple[Tensor, Tensor]] = {}  # tied ones stay tied; the old one is held, so that its id stays taken
    for path, owner in narrow.named_modules():
        for tensors in (owner._parameters, owner._buffers):
            for leaf, tensor in list(tensors.items()):
                name = f"{path}.{leaf}" if path else leaf
                if tensor is not None and name in keep:
                    value = _sliced(tensor.detach(), keep[name]).clone(memory_format=torch.contiguous_format)
                    new = nn.Parameter(value, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else value
                    made[id(tensor)] = tensor, new
                if id(tensor) in made:
                    tensors[leaf] = made[id(tensor)][1]
        for attribute, size in sizes.get(path, {}).items():
            setattr(owner, attribute, size)
    return narrow


def _axes(dims: tuple[Keep, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The dimensions that are cut, counted from the right, and what is kept along them."""
    return ((i - len(dims), keep) for i, keep in enumerate(dims) if keep is not None)


def _sliced(tensor: Tensor, dims: tuple[Keep, ...]) -> Tensor:
    for axis, keep in _axes(dims):
        if keep == tuple(range(keep[0], keep[0] + len(keep))):
            tensor = tensor.narrow(axis, keep[0], len(keep))  # no copy
        else:
            tensor = tensor.index_select(axis, torch.tensor(keep, device=tensor.device))
    return tensor


def _masked(tensor: Tensor, dims: tuple[Keep, ...]) -> Tensor:
    for axis, keep in _axes(dims):
        there = set(keep)
        mask = torch.tensor([i in there for i in range(tensor.shape[axis])], device=tensor.device)
        tensor = torch.where(mask.view(-1, *[1] * (-1 - axis)), tensor, 0)
    return tensor
