"""Training one part of a model."""

from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._state import State

__all__ = ["remember_trainable", "train_only"]


def remember_trainable(state: State) -> None:
    """Before the first part: what can be trained now is what can be trained later."""
    state.record["trainable"] = [name for name, one in state.model.named_parameters() if one.requires_grad]


def train_only(state: State, part: str) -> None:
    """Freeze what lies outside a part; "" is the whole model. What was frozen in the beginning stays so.

    Raises:
        ConfigError: the model has no such part.
    """
    try:
        module: nn.Module = state.model.get_submodule(part)
    except AttributeError as error:
        raise ConfigError(f"part='{part}': the model has no such part to train ({error}).") from error
    trained = {id(parameter) for parameter in module.parameters()}
    for name, parameter in state.model.named_parameters():
        parameter.requires_grad_(id(parameter) in trained and name in state.record["trainable"])
