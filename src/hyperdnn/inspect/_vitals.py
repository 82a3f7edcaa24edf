"""What a hypernet does for some contexts, measured without leaving a trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hyperdnn.typing import Context, Weights

__all__ = ["Vitals", "measure", "undisturbed", "variation"]


class Vitals(NamedTuple):
    """What passed through a hypernet.

    Args:
        weights: what it generated.
        stages: output of its encoder and its body, where it has these.
        alive: for each ReLU of the body which units put out anything for any context.
    """

    weights: Weights
    stages: dict[str, Tensor]
    alive: dict[str, Tensor]


def measure(hypernet: nn.Module, context: Context | Callable[[], Context]) -> Vitals:
    """Generate once in evaluation mode, and look at what passes. Mode, gradients and random state stay.

    Args:
        hypernet: any.
        context: contexts, or what makes them.
    """
    stages: dict[str, Tensor] = {}
    alive: dict[str, Tensor] = {}
    body = getattr(hypernet, "body", None)
    parts = {role: part for role in ("encoder", "body") if isinstance(part := getattr(hypernet, role, None), nn.Module)}
    with undisturbed(hypernet):
        hooks = [part.register_forward_hook(_keep(stages, role)) for role, part in parts.items()]
        if isinstance(body, nn.Module):
            hooks += [
                module.register_forward_hook(_count(alive, f"body.{name}".rstrip(".")))
                for name, module in body.named_modules()
                if isinstance(module, nn.ReLU)
            ]
        try:
            generated: Weights = hypernet(context() if callable(context) else context)
        finally:
            for hook in hooks:
                hook.remove()
    # A view of a parameter asks for a gradient even here.
    return Vitals({name: tensor.detach() for name, tensor in generated.items()}, stages, alive)


def variation(rows: Tensor) -> float:
    """How much rows differ, relative to their size: 0 if they are all the same, about 1 if they are independent.

    Args:
        rows: ``(contexts, ...)``, two or more.
    """
    numbers = rows.flatten(1)
    numbers = numbers if numbers.dtype == torch.float64 else numbers.float()
    size, spread = numbers.square().mean(), (numbers - numbers.mean(0)).square().mean()
    return 0.0 if size == 0 else float((spread / size).sqrt())


def _keep(stages: dict[str, Tensor], role: str) -> Any:
    def hook(part: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            stages[role] = output.detach()

    return hook


def _count(alive: dict[str, Tensor], name: str) -> Any:
    def hook(module: nn.Module, args: Any, output: Tensor) -> None:
        seen = (output != 0).flatten(0, -2).any(0) if output.ndim > 1 else output != 0
        earlier = alive.get(name)  # one module may be called several times
        alive[name] = seen if earlier is None or earlier.shape != seen.shape else earlier | seen

    return hook


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Inside, a module is in evaluation mode without gradients; mode and random state come back afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    with torch.no_grad(), torch.random.fork_rng(sorted(devices, key=str)):
        module.eval()
        try:
            yield
        finally:
            for part, training in modes:
                part.training = training
