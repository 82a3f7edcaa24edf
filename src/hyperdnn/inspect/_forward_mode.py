"""Exact derivatives along a direction."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from hyperdnn.errors import ConfigError
from hyperdnn.targets._call import attention_without_fast_path, has_fast_path

__all__ = ["derivative"]

Tree = TypeVar("Tree")

_OPERATOR = re.compile(r"forward AD with (\w+)")
_FUNCTION = re.compile(r"custom autograd\.Function|autograd\.Function with functorch")


def derivative(
    function: Callable[[Tensor], Tree], at: Tensor, direction: Tensor, *, of: nn.Module
) -> tuple[Tree, Tree]:
    """Value and derivative of a function along a direction, in forward mode.

    Args:
        function: of one tensor.
        at: where.
        direction: of the tensor's shape.
        of: the module that the function runs; its attention does without fused kernels, which have no such derivative.

    Raises:
        ConfigError: if an operator has none either, naming it.
    """
    try:
        with attention_without_fast_path(needed=has_fast_path(of)), sdpa_kernel(SDPBackend.MATH):
            found: Any = torch.func.jvp(function, (at,), (direction,))
    except (NotImplementedError, RuntimeError) as error:
        operator = _OPERATOR.search(str(error))
        if operator is None and not _FUNCTION.search(str(error)):
            raise
        name = operator[1] if operator else "an autograd.Function of the model"
        raise ConfigError(
            f"{name} has no derivative in forward mode. Write that part of the model with other operators, leave out "
            "probes if it is in the target, or measure differences with path."
        ) from error
    value, change = found
    return value, change
