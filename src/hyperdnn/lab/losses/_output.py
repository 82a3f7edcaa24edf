"""Keep what a hypernet generates: rehearsal of weights instead of data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from jaxtyping import Integer
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from hyperdnn.encoders import Table
from hyperdnn.errors import ConfigError
from hyperdnn.typing import Weights

__all__ = ["Measure", "Memory", "output_change", "remember"]

Measure: TypeAlias = Callable[[Weights], Weights]
"""Generated weights -> the tensors whose squared distances count, such as `gaussian_moments`."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """Contexts, and what a hypernet generated for them. Nothing in it moves when the hypernet is trained.

    Args:
        contexts: ``(contexts, ...)``.
        weights: name -> ``(contexts, *shape)``.
        importance: how much each of these numbers counts, in the same form; None for all alike.
    """

    contexts: Tensor
    weights: Weights
    importance: Weights | None = None

    def __len__(self) -> int:
        return len(self.contexts)

    def __getitem__(self, index: Integer[Tensor, " picked"]) -> "Memory":
        """Some of the contexts."""
        index = index.to(self.contexts.device)
        importance = None if self.importance is None else {n: w[index] for n, w in self.importance.items()}
        weights = {name: w[index] for name, w in self.weights.items()}
        return Memory(contexts=self.contexts[index], weights=weights, importance=importance)


@torch.no_grad()
def remember(
    hypernet: nn.Module, contexts: Tensor, *, importance: Weights | None = None, measure: Measure = dict
) -> Memory:
    """What the hypernet generates for some contexts now. Costs the size of their generated weights.

    Args:
        hypernet: runs in evaluation mode, so that what is kept is free of dropout.
        contexts: ``(contexts, ...)``, possibly none.
        importance: a weight for each generated number, such as Fisher information; 0 for the output rows that a
            context does not use.
        measure: what is kept of the weights; by default all numbers as they are.

    Raises:
        ConfigError: an importance that does not fit the weights.
    """
    training = hypernet.training
    hypernet.eval()
    try:
        generated = measure(hypernet(contexts))
    finally:
        hypernet.train(training)
    weights = {name: tensor.clone() for name, tensor in generated.items()}
    if importance is not None:
        _check(importance, weights)
    return Memory(contexts=contexts.clone(), weights=weights, importance=importance)


def output_change(
    hypernet: nn.Module,
    memory: Memory | None,
    *,
    changes: Mapping[str, Tensor] | None = None,
    num: int | None = None,
    generator: torch.Generator | None = None,
    measure: Measure = dict,
) -> Tensor:
    """How far the weights of remembered contexts have moved: squared distance, summed over weights, mean over contexts.

    All contexts are generated in one pass. Rows of an `encoders.Table` are constants here: an earlier task's embedding
    is part of what is remembered, not of what is trained to keep it.

    Args:
        hypernet: what is trained.
        memory: from `remember`; if it is empty or None, the distance is 0.
        changes: what the next step would add to the hypernet's parameters, by name (``state.lookahead``); constants.
        num: contexts to take, 1 or more, drawn without replacement; None for all.
        generator: what they are drawn with.
        measure: the one that `remember` had.

    Raises:
        ConfigError: changes for a parameter that the hypernet does not have, ``num`` below 1, or another measure than
            the memory's.

    Source:
        von Oswald, Henning, Grewe & Sacramento, "Continual learning with hypernetworks", ICLR 2020, equation 2.
    """
    if not memory:
        return torch.zeros((), device=next(hypernet.parameters()).device)
    if num is not None and num < 1:
        raise ConfigError(f"num: expected 1 context or more, or None for all, got {num}.")
    if num is not None and num < len(memory):
        memory = memory[torch.randperm(len(memory), generator=generator)[:num]]
    generated = measure(functional_call(hypernet, _moved(hypernet, changes or {}), (memory.contexts,)))
    for name in memory.weights:
        if name not in generated:
            raise ConfigError(f"measure: it gives no '{name}', which is remembered. Take the one that remember had.")
    total = torch.stack([_distance(generated[name], memory, name) for name in memory.weights]).sum()
    return total / len(memory)


def _distance(generated: Tensor, memory: Memory, name: str) -> Tensor:
    if memory.importance is None:
        return F.mse_loss(generated, memory.weights[name], reduction="sum")
    return (memory.importance[name] * (generated - memory.weights[name]).square()).sum()


def _moved(hypernet: nn.Module, changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters after the step, with the changes and all table rows as constants."""
    parameters: dict[str, Tensor] = dict(hypernet.named_parameters())
    for name in changes:
        if name not in parameters:
            raise ConfigError(f"changes: the hypernet has no parameter '{name}'. Names are relative to the hypernet.")
    for path, module in hypernet.named_modules():
        if isinstance(module, Table):
            for name, row in module.named_parameters(prefix=path):
                parameters[name] = row.detach()
    return {
        name: p + changes[name].detach() if name in changes and p.requires_grad else p for name, p in parameters.items()
    }


def _check(importance: Weights, weights: Weights) -> None:
    for name in importance.keys() | weights.keys():
        expected = tuple(weights[name].shape) if name in weights else "nothing"
        given = tuple(importance[name].shape) if name in importance else "nothing"
        if expected != given:
            raise ConfigError(f"importance of '{name}': expected {expected}, got {given}.")
