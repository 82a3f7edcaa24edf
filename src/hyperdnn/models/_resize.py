"""Let a model's parts grow together."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hyperdnn.encoders import Slots
from hyperdnn.errors import ConfigError
from hyperdnn.models._fits import declares
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.nn import Extension, Grown, growing, kept_rows
from hyperdnn.optim import keep_factors, keeps_factors
from hyperdnn.targets import Target

__all__ = ["resize"]


def resize(target: Target, hypernet: nn.Module, name: str, rows: int, optimizer: Optimizer | None) -> None:
    """Give a layer more output rows. All parts are asked first, so that an error leaves everything as it was.

    Raises:
        LayoutError: if the layer cannot grow.
        ConfigError: if a part of the hypernet or the optimiser cannot follow.
    """
    if not isinstance(hypernet, Hypernet):
        raise ConfigError(f"{type(hypernet).__name__} is not a Hypernet: resize does not know its parts.")
    if any(hasattr(parameter, "full_tensor") for parameter in hypernet.parameters()):  # a DTensor
        raise ConfigError("the model is divided among processes and cannot grow. Resize it before distributed.shard.")
    layout = target.resized(name, rows)
    head = growing(hypernet.head)
    more = head.new_slots(layout)
    slots = _slots(hypernet) if more else None
    if optimizer is not None:
        _check_trained(optimizer, (*target.parameters(), *hypernet.parameters()))
        _check_state(optimizer)
    grown = [*head.resize(layout), *target.resize(name, rows)]
    if slots is not None:
        grown.append(_grow(slots, more))
    if optimizer is not None:
        for one in grown:
            _carry_over(optimizer, one)


def _slots(hypernet: Hypernet) -> Slots:
    slots, body = hypernet.slots, hypernet.body
    if not isinstance(slots, Slots):
        raise ConfigError(f"slots {type(slots).__name__} cannot grow: expected encoders.Slots.")
    if any(declares(part, "mixes_slots") for part in body.modules()):
        raise ConfigError(
            f"body {type(body).__name__} mixes slots: new ones would change what old ones generate. Use bodies.MLP, or "
            "a head without slots."
        )
    return slots


def _grow(slots: Slots, more: tuple[Extension, ...]) -> Grown:
    old = slots.embeddings
    for extension in reversed(more):  # from behind: places are counted in old slots
        slots.grow(extension.added, at=extension.stop)
    return Grown(old, slots.embeddings, kept_rows(len(old), more, old.device))


def _check_trained(optimizer: Optimizer, parameters: Iterable[Tensor]) -> None:
    """Verify that it is an optimiser of this model: of another one nothing would be carried over."""
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(parameter) in trained for parameter in parameters):
        raise ConfigError(f"{type(optimizer).__name__} trains no parameter of this model: pass the one that does.")


def _check_state(optimizer: Optimizer) -> None:
    """Verify that an optimiser keeps one number for each number of a parameter, or one for all of them."""
    for parameter, state in optimizer.state.items():
        odd = [key for key, value in state.items() if not _follows(value, parameter)]
        if odd:
            raise ConfigError(
                f"{type(optimizer).__name__} keeps '{odd[0]}' in another form than its parameter's and cannot follow. "
                "Resize without it, and build a new one."
            )


def _follows(value: object, parameter: Tensor) -> bool:
    if isinstance(value, Tensor):
        return value.shape == parameter.shape or value.ndim == 0
    return value is None or isinstance(value, int | float)


@torch.no_grad()
def _carry_over(optimizer: Optimizer, grown: Grown) -> None:
    old, new, kept = grown
    keep_factors(new, keep=keeps_factors(old))
    groups: Iterable[dict[str, list[nn.Parameter]]] = optimizer.param_groups
    for group in groups:
        # In place: an optimiser may hold the list itself.
        group["params"][:] = [new if parameter is old else parameter for parameter in group["params"]]
    if old in optimizer.state:
        state = optimizer.state.pop(old)
        optimizer.state[new] = {key: _longer(value, old, new, kept) for key, value in state.items()}


def _longer(value: object, old: Tensor, new: Tensor, kept: Tensor) -> object:
    if not isinstance(value, Tensor) or value.ndim == 0 or value.shape != old.shape:
        return value
    longer = value.new_zeros(new.shape)
    longer[kept] = value
    return longer
