"""What bodies that mix slots ask for."""

from torch import Tensor, nn

from hyperdnn.errors import ConfigError

__all__ = ["check_slots"]


def check_slots(body: nn.Module, features: Tensor) -> None:
    """Refuse features of one context without a slot dimension; of several contexts they cannot be told from slots.

    Raises:
        ConfigError: with the parts that would do.
    """
    if features.ndim < 2:
        name = type(body).__name__
        raise ConfigError(
            f"{name} mixes slots: expected features (*contexts, slots, {body.features}), got {tuple(features.shape)}. "
            "Add slots=encoders.Slots(head.slots, features=16) to the Hypernet, or use bodies.MLP."
        )
