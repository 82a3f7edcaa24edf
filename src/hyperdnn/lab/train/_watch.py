"""Looks after hypernets while they are trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn._torch import has_transform, tree_map
from hyperdnn.encoders import Table
from hyperdnn.inspect import Finding, health
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._state import State
from hyperdnn.models import HyperDNN, clip_gradient
from hyperdnn.typing import Context, Weights

__all__ = ["Watch"]

_CONTEXTS = 4  # in one look: enough to tell a dead generator, and cheaper than a step


@final
class Watch:
    """Bounds the gradient that enters the hypernets of a model, and warns once of each thing that is wrong with them.

    Args:
        model: the trained model; all `HyperDNN` in it are watched.
        clip: norm of the gradient at one context's generated weights, or None.
    """

    def __init__(self, model: nn.Module, clip: float | None) -> None:
        self.model = model
        self.clip = clip
        self.scale = 1.0  # what the loss is multiplied with before its gradient is computed
        self.watched = {path: part for path, part in model.named_modules() if isinstance(part, HyperDNN)}
        self.generated: dict[str, tuple[Context, Weights]] = {}
        self.recent: dict[str, Tensor] = {}
        self.suspected: set[str] = set()
        self.told: set[tuple[str, str]] = set()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """See what is generated in the meantime."""
        hooks = [
            model.hypernet.register_forward_hook(partial(self._passing, path)) for path, model in self.watched.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self.forget()

    def state_dict(self) -> dict[str, Any]:
        """What it has seen and told."""
        return {"recent": self.recent, "suspected": sorted(self.suspected), "told": sorted(self.told)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as the one whose state this is."""
        self.recent, self.suspected, self.told = state["recent"], set(state["suspected"]), set(state["told"])

    def forget(self) -> None:
        """Let go of the weights of this step."""
        self.generated.clear()

    def look(self, state: State, log: Log) -> None:
        """Examine each hypernet that has generated since the last step, and tell what is new."""
        for path in list(self.generated):
            for finding in self._findings(path):
                if (path, finding.ailment) not in self.told:
                    self.told.add((path, finding.ailment))
                    log.warn(state, path, finding)

    def origin(self) -> str:
        """What left the numbers first, in words: for a loss that is not finite, before its gradient is computed."""
        parameters = dict(self.model.named_parameters())
        for name, parameter in parameters.items():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return f"The gradient came first: that of '{name}' was not finite in the step before."
        for name, parameter in parameters.items():
            if not bool(parameter.isfinite().all()):
                return f"The weights came first: the optimiser's last step left '{name}' not finite."
        largest = 0.0
        for _, weights in self.generated.values():
            for name, tensor in weights.items():
                if not bool(tensor.isfinite().all()):
                    return f"The generated weights came first: '{name}' is not finite, though the hypernet is."
                largest = max(largest, float(tensor.detach().abs().max()) if tensor.numel() else 0.0)
        size = f"; the largest generated weight is {largest:.3g}" if self.generated else ""
        return f"The loss came first: all weights and the last gradients are finite{size}."

    def _passing(self, path: str, hypernet: nn.Module, args: tuple[Any, ...], weights: Weights) -> Weights | None:
        if not has_transform():  # whose tensors are not to be kept
            self.generated[path] = (args[0] if args else None, weights)
        if self.clip is None:
            return None
        return clip_gradient(weights, self.watched[path].target.layout, self.clip * self.scale)

    def _findings(self, path: str) -> list[Finding]:
        context, comparable = self._context(path)
        if context is None:
            return []
        found = health(self.watched[path], context=_in_full(context, self.watched[path].hypernet)).findings
        suspected = path in self.suspected
        self.suspected.discard(path)
        if any(finding.ailment == "no gradient" for finding in found):
            self.suspected.add(path)  # a loss may be zero on one batch: it counts if it is so in two looks
        doubtful = set() if comparable else {"dead", "inactive"}
        doubtful |= set() if suspected else {"no gradient"}
        return [finding for finding in found if finding.ailment not in doubtful]

    def _context(self, path: str) -> tuple[Context, bool]:
        """Some contexts to look at, and whether they are known to differ if they are several."""
        model = self.watched[path]
        context, weights = self.generated[path]
        encoder = getattr(model.hypernet, "encoder", None)
        if isinstance(encoder, Table):
            return torch.arange(min(encoder.contexts, _CONTEXTS), device=next(encoder.parameters()).device), True
        dims = model.target.layout.check(weights)
        if not dims.numel():
            return None, False
        if not isinstance(context, Tensor) or context.shape[: len(dims)] != dims:
            return context, False
        rows = context.detach().reshape(-1, *context.shape[len(dims) :])[:_CONTEXTS]
        earlier = self.recent.get(path)
        if earlier is not None and earlier.shape[1:] == rows.shape[1:]:
            rows = torch.cat([rows, earlier.to(rows)])[:_CONTEXTS]  # where a step has one context, earlier ones help
        self.recent[path] = torch.unique(rows, dim=0)
        return self.recent[path], True


def _in_full(context: Context, hypernet: nn.Module) -> Context:
    """A context that was computed under autocast, for a look without it: what is coarse would seem dead."""
    own = next((p.dtype for p in hypernet.parameters() if p.is_floating_point()), torch.get_default_dtype())

    def full(value: object) -> object:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.to(torch.promote_types(value.dtype, own))
        return value

    return tree_map(full, context)
