"""What becomes of kept channels in operations without parameters."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from torch import fx

from hyperdnn.layout._channels import Channels, flattened

__all__ = ["BINARY", "Known", "RULES", "argument"]

Known: TypeAlias = Callable[[Any], tuple[Channels, int] | None]
"""The tensor and dimension of an argument that is a size, as in ``x.size(1)``; None for any other one."""

BINARY = ("add", "clamp", "clip", "div", "expand_as", "fmod", "maximum", "minimum", "mul", "pow", "sub")
_EACH = (
    *("Identity", "abs", "alpha_dropout", "bfloat16", "celu", "clone", "contiguous", "cos", "detach"),
    *("double", "dropout", "elu", "erf", "exp", "feature_alpha_dropout", "float", "gelu", "half", "hardshrink"),
    *("hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log", "logsigmoid", "mish", "neg", "relu", "relu6"),
    *("rrelu", "rsqrt", "selu", "sigmoid", "silu", "sin", "softplus", "softshrink", "softsign", "sqrt", "square"),
    *("tanh", "tanhshrink", "threshold", "to"),
)
_POOLS = ("adaptive_avg_pool", "adaptive_max_pool", "avg_pool", "dropout", "lp_pool", "max_pool")
_SPATIAL = (
    "interpolate",
    "UpsamplingNearest2d",
    "UpsamplingBilinear2d",
    *(f"{pool}{dims}d" for pool in _POOLS for dims in (1, 2, 3)),
)


def argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    """An argument of a call, given by position or by name."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _each(node: fx.Node, x: Channels, known: Known) -> Channels:
    return x


def _spatial(node: fx.Node, x: Channels, known: Known) -> Channels | None:
    return x if x.keep is None or (x.rank is not None and x.dim == 1 - x.rank and x.spread is None) else None


def _flatten(node: fx.Node, x: Channels, known: Known) -> Channels:
    return flattened(node.name, x, argument(node, 1, "start_dim", 0), argument(node, 2, "end_dim", -1))


def _reshape(node: fx.Node, x: Channels, known: Known) -> Channels | None:
    given = node.args[1:] or (node.kwargs.get("shape"),)
    shape = given[0] if isinstance(given[0], tuple | list) else given
    batch = known(shape[0])
    if len(shape) < 2 or x.rank is None or x.dim != 1 - x.rank or batch is None or batch[1] != 0:
        return None
    if len(shape) == 2 and shape[1] == -1:
        return flattened(node.name, x, 1, -1)
    if x.spread is None and _same(known(shape[1]), x):
        return replace(x, rank=len(shape), dim=1 - len(shape))
    if x.spread is None and x.rank == 2 and shape[1] == -1 and all(size == 1 for size in shape[2:]):
        return replace(x, rank=len(shape), dim=1 - len(shape))
    return None


def _same(size: tuple[Channels, int] | None, x: Channels) -> bool:
    """Whether a size is the number of the channels of ``x``."""
    if size is None:
        return False
    other, dim = size
    return other.axis(dim) == other.dim and (other.total, other.keep, other.spread) == (x.total, x.keep, None)


def _reduced(node: fx.Node, x: Channels, known: Known) -> Channels | None:
    dims = argument(node, 1, "dim", None)
    if dims is None or x.spread is not None:
        return None
    axes = [x.axis(dim) for dim in (dims if isinstance(dims, tuple | list) else (dims,))]
    if None in axes or x.dim in axes:
        return None
    if argument(node, 2, "keepdim", False):
        return x
    rank = None if x.rank is None else x.rank - len(axes)
    return replace(x, rank=rank, dim=x.dim + sum(axis > x.dim for axis in axes if axis is not None))


def _permute(node: fx.Node, x: Channels, known: Known) -> Channels | None:
    given = node.args[1:] or (node.kwargs.get("dims"),)
    dims = given[0] if isinstance(given[0], tuple | list) else given
    order = [dim % len(dims) for dim in dims if isinstance(dim, int)]
    place = len(dims) + x.dim
    return replace(x, rank=len(dims), dim=order.index(place) - len(dims)) if place in order else None


def _transpose(node: fx.Node, x: Channels, known: Known) -> Channels | None:
    first, second = (x.axis(argument(node, i, f"dim{i - 1}", 0)) for i in (1, 2))
    if first is None or second is None:
        return None
    return replace(x, dim={first: second, second: first}.get(x.dim, x.dim))


def _pad(node: fx.Node, x: Channels, known: Known) -> Channels | None:
    if node.op == "call_module":
        return _spatial(node, x, known)
    sizes = argument(node, 1, "pad", ())
    return x if isinstance(sizes, tuple | list) and len(sizes) // 2 < -x.dim else None


_Rule: TypeAlias = Callable[[fx.Node, Channels, Known], Channels | None]
RULES: dict[str, _Rule] = {
    **dict.fromkeys(_EACH, _each),
    **dict.fromkeys(_SPATIAL, _spatial),
    **dict.fromkeys(("amax", "amin", "mean", "sum"), _reduced),
    "flatten": _flatten,
    "pad": _pad,
    "permute": _permute,
    "reshape": _reshape,
    "transpose": _transpose,
}
"""By operation; None says that what becomes of the channels is unknown."""
