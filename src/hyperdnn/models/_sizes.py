"""Whether the parts that a configuration describes are as large as the tensors beside it."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch

from hyperdnn.errors import CheckpointError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._files import Shapes
from hyperdnn.models._parts import build_part

__all__ = ["check_sizes"]

_SLACK = 1000  # a count may be larger than all tensors together, but not by much


def check_sizes(parts: Mapping[str, Any], layout: ParamLayout, shapes: Shapes, path: Path) -> None:
    """Build hyperdnn's own parts without storage first: a damaged number must not cost all of the memory.

    Raises:
        CheckpointError: naming the first number or tensor that does not fit.
    """
    most = sum(map(prod, shapes.values())) + _SLACK
    for role, part in parts.items():
        if not part["own"]:
            continue
        for name, value in part["arguments"].items():
            if any(number > most for number in _numbers(value)):
                raise CheckpointError(
                    f"config.json gives {part['class']} {name}={value}, more than {path} has numbers: they are not of "
                    "one model."
                )
        with torch.device("meta"):
            built = build_part(role, part, layout, {})
        for name, tensor in built.state_dict().items():
            full = f"hypernet.{role}.{name}"
            if full not in shapes:
                raise CheckpointError(f"{path}: '{full}' is missing from the file. Was it saved by another model?")
            if shapes[full] != tensor.shape:
                raise CheckpointError(f"{path}: '{full}' is {shapes[full]}, expected {tuple(tensor.shape)}.")


def _numbers(value: object) -> Iterator[int]:
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int):
        yield value
