"""What a parameter does in its layer, and its fan-in and fan-out.

Fans count connections of one unit: how many products are summed for one output, and how many outputs one input reaches.
Strides are ignored, as is usual (He et al., "Delving Deep into Rectifiers", ICCV 2015).
"""

import math

from torch import Tensor, nn

from hyperdnn._torch import ConvBase, NormBase
from hyperdnn.layout._spec import Kind

__all__ = ["role"]

Role = tuple[Kind, int, int]

_NORMS = (NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)


def role(module: nn.Module, name: str, tensor: Tensor) -> Role:
    """Kind, fan-in and fan-out of ``module``'s own parameter ``name``."""
    if isinstance(module, _NORMS):
        return ("norm_gain" if name == "weight" else "norm_bias"), 1, 1
    if isinstance(module, ConvBase):
        return _convolution(module, name)
    if isinstance(module, nn.Linear):
        return ("linear" if name == "weight" else "bias"), module.in_features, module.out_features
    if isinstance(module, nn.Bilinear):
        fan_in = module.in1_features * module.in2_features
        return ("linear" if name == "weight" else "bias"), fan_in, module.out_features
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return (
            "embedding",
            1,
            module.embedding_dim,
        )  # one row is read: a one-hot input has a single connection
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module, name)
    if isinstance(module, _RECURRENT):
        return _recurrent(module, name, tensor)
    return _by_shape(tensor)


def _convolution(module: ConvBase, name: str) -> Role:
    positions = math.prod(module.kernel_size)
    fan_in = module.in_channels // module.groups * positions
    fan_out = module.out_channels // module.groups * positions
    if name == "bias":
        return "bias", fan_in, fan_out
    return ("transposed_convolution" if module.transposed else "convolution"), fan_in, fan_out


def _attention(module: nn.MultiheadAttention, name: str) -> Role:
    width = module.embed_dim
    if name == "in_proj_weight":
        return "in_projection", width, width  # three maps stacked: each sends an input to `width` outputs
    if name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
        fan_in = {"q": width, "k": module.kdim, "v": module.vdim}[name[0]]
        return "linear", int(fan_in or width), width
    return "bias", width, width


def _recurrent(module: nn.Module, name: str, tensor: Tensor) -> Role:
    hidden = int(module.hidden_size)  # type: ignore[arg-type]  # both recurrent bases declare it
    if name.startswith("bias"):
        return "bias", hidden, hidden
    fan_in = tensor.shape[1]
    if name.startswith("weight_ih"):
        return "recurrent_input", fan_in, hidden
    return "recurrent_hidden", fan_in, tensor.shape[0] if name.startswith("weight_hr") else hidden


def _by_shape(tensor: Tensor) -> Role:
    if tensor.ndim < 2:
        return "other", 1, 1
    return "other", math.prod(tensor.shape[1:]), tensor.shape[0]
