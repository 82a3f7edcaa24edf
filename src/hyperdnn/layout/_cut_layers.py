"""What remains of a layer when channels go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from torch import nn

from hyperdnn._torch import ConvBase, NormBase
from hyperdnn.errors import LayoutError
from hyperdnn.layout._channels import Channels, Keep, kept

__all__ = ["CutLayer", "cut_layer", "own_width"]


@final
@dataclass(frozen=True)
class CutLayer:
    """A layer of the narrow network.

    Args:
        output: the channels that it gives.
        keep: of each of its tensors, what is kept along each dimension.
        sizes: its attributes that say how wide it is.
    """

    output: Channels
    keep: dict[str, tuple[Keep, ...]]
    sizes: dict[str, Any]


def own_width(layer: nn.Module) -> int | None:
    """How many channels a layer makes, or None if it has as many as its input."""
    if type(layer) in _CONVOLUTIONS:
        return int(layer.out_channels)  # type: ignore[arg-type]  # they all declare it
    if type(layer) is nn.Linear:
        return layer.out_features
    return layer.embedding_dim if type(layer) is nn.Embedding else None


def cut_layer(path: str, layer: nn.Module, x: Channels, width: int | None) -> CutLayer | None:
    """What remains of a layer, or None for one of which that is unknown.

    Args:
        path: of the layer.
        layer: in the wide network.
        x: its input.
        width: the channels that it shall keep; None for all.

    Raises:
        LayoutError: if the channels that are kept do not fit its groups.
    """
    rule = _RULES.get(type(layer))
    return None if rule is None else rule(path, layer, x, width)


def _convolution(path: str, layer: ConvBase, x: Channels, width: int | None) -> CutLayer:
    inputs = _inputs(path, x, layer.in_channels, -1 - len(layer.kernel_size))
    groups, inside, outputs = _grouped(path, layer, (inputs, x.source), width)
    out = kept(outputs, layer.out_channels)
    blank = (None,) * len(layer.kernel_size)
    weight = (out, inside, *blank)
    if layer.transposed:
        per_group = layer.out_channels // layer.groups
        weight = (inputs, kept(tuple(range(len(outputs) // len(groups))), per_group), *blank)
    sizes = {"in_channels": _count(inputs, layer.in_channels), "out_channels": len(outputs), "groups": len(groups)}
    source = path if layer.groups == 1 or width is not None else x.source
    dim = -1 - len(layer.kernel_size)
    output = Channels(layer.out_channels, out, dim, 1 - dim, source=source)
    return CutLayer(output, {"weight": weight, "bias": (out,)}, sizes)


def _linear(path: str, layer: nn.Linear, x: Channels, width: int | None) -> CutLayer:
    inputs = _inputs(path, x, layer.in_features, -1)
    out = kept(tuple(range(width or layer.out_features)), layer.out_features)
    sizes = {"in_features": _count(inputs, layer.in_features), "out_features": _count(out, layer.out_features)}
    output = Channels(layer.out_features, out, -1, x.rank, source=path)
    return CutLayer(output, {"weight": (out, inputs), "bias": (out,)}, sizes)


def _embedding(path: str, layer: nn.Embedding, x: Channels, width: int | None) -> CutLayer:
    out = kept(tuple(range(width or layer.embedding_dim)), layer.embedding_dim)
    output = Channels(layer.embedding_dim, out, source=path)
    return CutLayer(output, {"weight": (None, out)}, {"embedding_dim": _count(out, layer.embedding_dim)})


def _norm(path: str, layer: NormBase, x: Channels, width: int | None) -> CutLayer:
    keep = _inputs(path, x, layer.num_features, 1)
    names = ("weight", "bias", "running_mean", "running_var")
    return CutLayer(x, dict.fromkeys(names, (keep,)), {"num_features": _count(keep, layer.num_features)})


def _group_norm(path: str, layer: nn.GroupNorm, x: Channels, width: int | None) -> CutLayer:
    keep = _inputs(path, x, layer.num_channels, 1)
    members = _members(keep, layer.num_channels, layer.num_groups)
    if len({len(group) for group in members.values()}) > 1:
        raise LayoutError(
            f"'{path}': of {x} its groups would keep {[len(group) for group in members.values()]}, not equally many. "
            f"Choose a multiple of {layer.num_channels // layer.num_groups} for '{x.source}'."
        )
    sizes = {"num_channels": _count(keep, layer.num_channels), "num_groups": len(members)}
    return CutLayer(x, {"weight": (keep,), "bias": (keep,)}, sizes)


def _layer_norm(path: str, layer: nn.LayerNorm | nn.RMSNorm, x: Channels, width: int | None) -> CutLayer:
    shape = tuple(layer.normalized_shape)
    place = len(shape) + x.dim
    keeps = tuple(_inputs(path, x, size, x.dim) if i == place else None for i, size in enumerate(shape))
    sizes = {"normalized_shape": tuple(_count(keep, size) for keep, size in zip(keeps, shape, strict=True))}
    return CutLayer(x, {"weight": keeps, "bias": keeps}, sizes)


def _prelu(path: str, layer: nn.PReLU, x: Channels, width: int | None) -> CutLayer:
    if layer.num_parameters == 1:
        return CutLayer(x, {}, {})
    keep = _inputs(path, x, layer.num_parameters, 1)
    return CutLayer(x, {"weight": (keep,)}, {"num_parameters": _count(keep, layer.num_parameters)})


def _inputs(path: str, x: Channels, total: int, dim: int) -> Keep:
    """What a layer keeps of its ``total`` inputs, which lie in dimension ``dim``."""
    axis = x.axis(dim)
    if x.keep is None:
        return None
    if (axis is not None and axis != x.dim) or not x.makes(total):
        raise LayoutError(
            f"'{path}' has {total} inputs, and {x} are not where it reads them. Leave '{x.source}' as wide as it is."
        )
    return x.features(total)


def _grouped(
    path: str, layer: ConvBase, inputs: tuple[Keep, str], width: int | None
) -> tuple[tuple[int, ...], Keep, tuple[int, ...]]:
    """The groups that remain, the inputs kept in each of them, and all outputs kept."""
    (keep, source), takes, makes = inputs, layer.in_channels // layer.groups, layer.out_channels // layer.groups
    members = _members(keep, layer.in_channels, layer.groups)
    inside = set(members.values())
    if len(inside) > 1:
        raise LayoutError(
            f"'{path}' has groups of {takes} inputs, and they would keep different ones. "
            f"Choose a multiple of {takes} for '{source}'."
        )
    each, rest = divmod(width or len(members) * makes, len(members))
    if rest or each > makes:
        raise LayoutError(
            f"'{path}': width {width}, but it has {len(members)} groups that make {makes} channels each: expected a "
            f"multiple of {len(members)}, at most {len(members) * makes}. Without a width it follows its input."
        )
    outputs = tuple(group * makes + i for group in members for i in range(each))
    return tuple(members), kept(inside.pop(), takes), outputs


def _members(keep: Keep, total: int, groups: int) -> dict[int, tuple[int, ...]]:
    """For each group that keeps anything, the positions in it."""
    size = total // groups
    members: dict[int, tuple[int, ...]] = {}
    for position in range(total) if keep is None else keep:
        group, inside = divmod(position, size)
        members[group] = (*members.get(group, ()), inside)
    return members


def _count(keep: Keep, total: int) -> int:
    return total if keep is None else len(keep)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
_Rule: TypeAlias = Callable[[str, Any, Channels, int | None], CutLayer]
# Exact classes: a subclass may do anything with its parameters.
_RULES: dict[type[nn.Module], _Rule] = {
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(_NORMS, _norm),
    nn.Embedding: _embedding,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    nn.PReLU: _prelu,
    nn.RMSNorm: _layer_norm,
}
