"""Puts saved tensors back into a model and its optimiser, however they were divided among processes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hyperdnn.lab.train._parted import Parts, as_it_is

__all__ = ["difference", "restore_model", "restore_optimizer"]


def difference(model: nn.Module, saved: Mapping[str, Any]) -> str | None:
    """Where a model's tensors are not those that were saved, in words; None if all names and shapes are the same."""
    present = model.state_dict()
    for name in {**saved, **present}:
        then, now = (_shape(values[name]) if name in values else "absent" for values in (saved, present))
        if then != now:
            return f"'{name}' is {then} in it, but {now} in the model"
    return None


def restore_model(model: nn.Module, saved: Mapping[str, Any]) -> None:
    """Load what `difference` found to be the same."""
    present = model.state_dict()
    model.load_state_dict({name: _fitted(value, present[name]) for name, value in saved.items()})


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load an optimiser's settings and moments, which are divided as its parameters are.

    Raises:
        ValueError: it has other parameters, as torch says it.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        index: {name: _moment(value, parameters, index) for name, value in state.items()}
        for index, state in saved["state"].items()
    }
    optimizer.load_state_dict({**saved, "state": moments})


def _moment(value: Any, parameters: list[Tensor], index: int) -> Any:
    """What belongs to a parameter element by element has its form; a count of steps stays as it is."""
    if index < len(parameters) and _shape(value) == _shape(parameters[index]):
        return _fitted(value, parameters[index])
    return value


def _fitted(value: Any, present: Any) -> Any:
    both = isinstance(value, Tensor | Parts) and isinstance(present, Tensor)
    return as_it_is(value, present) if both else value


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor | Parts) else "no tensor"
