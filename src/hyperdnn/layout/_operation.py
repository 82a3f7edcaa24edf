"""One word for each operation, however it is called."""

import operator
from collections.abc import Iterable, Set

import torch
from torch import fx, nn
from torch.nn import functional

__all__ = ["is_size", "operation"]

_WEIGHTED = (
    "Bilinear",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Embedding",
    "EmbeddingBag",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "PReLU",
    "RMSNorm",
)
_SYNONYMS = {
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "iadd": "add",
    "imul": "mul",
    "isub": "sub",
    "itruediv": "div",
    "multiply": "mul",
    "subtract": "sub",
    "swapaxes": "transpose",
    "truedivide": "div",
    "truediv": "div",
    "upsample": "interpolate",
    "view": "reshape",
}
_SIZES = ("dim", "len", "ndimension", "numel", "size")
_SIZE_ATTRIBUTES = ("device", "dtype", "itemsize", "ndim", "shape")


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _known(names: Iterable[str]) -> dict[str, str]:
    return {_key(name): name for name in names if not name.startswith("_") and not name.endswith("_")}


# The last that knows a name decides: a function with weights is called as its module, a module without as its function.
_WORDS = {
    **_known(dir(torch.Tensor)),
    **_known(dir(torch)),
    **_known(dir(functional)),
    **_known(_WEIGHTED),
    **_SYNONYMS,
}


def operation(node: fx.Node, root: nn.Module) -> str:
    """What a traced node does, in one word.

    Args:
        node: of the graph.
        root: the module that was traced.
    """
    if node.op == "placeholder":
        return "input"
    if node.op == "output":
        return "output"
    if node.op == "get_attr":
        return "parameter" if _is_parameter(root, str(node.target)) else "constant"
    if node.op == "call_module":
        return _of_module(root.get_submodule(str(node.target)))
    if node.target is getattr:
        return str(node.args[1])
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", type(node.target).__name__)
    return _WORDS.get(_key(name), name)


def is_size(node: fx.Node, sizes: Set[fx.Node]) -> bool:
    """Whether a node computes a size, a number format or the like, or checks one, and no tensor.

    Args:
        node: of the graph.
        sizes: those found before it.
    """
    if node.target is getattr:
        return node.args[1] in _SIZE_ATTRIBUTES or node.args[0] in sizes
    if (node.op == "call_method" and node.target in _SIZES) or node.target is torch._assert:
        return True
    arithmetic = getattr(operator, getattr(node.target, "__name__", ""), None) is node.target
    return arithmetic and bool(node.all_input_nodes) and sizes >= set(node.all_input_nodes)


def _of_module(module: nn.Module) -> str:
    layer = type(module)
    if layer.__module__ == "torch.nn.utils.parametrize":  # a class made for one layer: Linear -> ParametrizedLinear
        layer = layer.__mro__[1]
    name = layer.__name__
    if not layer.__module__.startswith("torch.nn") or any(True for _ in module.parameters()):
        return name
    return "pad" if "Pad" in name else _WORDS.get(_key(name), name)


def _is_parameter(root: nn.Module, name: str) -> bool:
    path, _, leaf = name.rpartition(".")
    return leaf in root.get_submodule(path)._parameters
