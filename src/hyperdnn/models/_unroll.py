"""Weights at every time step."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from hyperdnn._torch import tree_leaves
from hyperdnn.errors import BatchingError, nearest
from hyperdnn.protocols import AnyHypernet
from hyperdnn.targets import Target
from hyperdnn.typing import Context

__all__ = ["unroll"]

_Call = Literal["forward", "paired", "batched"]


def unroll(
    cell: Target,
    hypernet: AnyHypernet,
    xs: Tensor,
    state: tuple[Any, Any],
    context_fn: Callable[[tuple[Any, Any], Tensor], tuple[Context, tuple[Any, Any]]],
    call: _Call = "paired",
) -> tuple[Tensor, tuple[Any, Any]]:
    """Run a recurrent cell over a sequence, with weights generated anew at every time step.

    A loop over time: the graph holds the generated weights of every step, ``len(xs) * layout.numel`` numbers for each
    context. Detach the whole state between segments of a long sequence.

    Args:
        cell: a target around a cell ``(x, own state) -> own state``, such as torch's; its output is that state, or the
            first tensor in it.
        hypernet: context -> the cell's weights.
        xs: inputs, time first.
        state: the cell's own, and that of ``context_fn``; None where there is none.
        context_fn: ``(state, x) -> (context, state)``, called before each step: what the weights depend on. A
            hypernet with a memory keeps it in the second part of the state.
        call: the cell's verb: ``"paired"``, one context for each sample; ``"batched"``, each context its own batch;
            ``"forward"``, one context.

    Shape:
        as the verb takes them, xs with time in front -> outputs with time in front, and the last state.

    Raises:
        BatchingError: for another verb, no time step, or a state that is not a pair.
        ContextError: as the verb.

    Source:
        Ha, Dai & Le, "HyperNetworks", ICLR 2017, section 3.2.
    """
    if call not in get_args(_Call):
        raise BatchingError(f"call='{call}' is unknown.{nearest(call, get_args(_Call))}")
    if len(xs) == 0:
        raise BatchingError(f"unroll: expected at least one time step in front, got xs of {tuple(xs.shape)}.")
    run = cell if call == "forward" else getattr(cell, call)
    outputs: list[Tensor] = []
    for x in xs.unbind(0):
        context, state = context_fn(_pair(state), x)
        own, memory = _pair(state)
        own = run(hypernet(context), x, own)
        outputs.append(tree_leaves(own)[0])
        state = (own, memory)
    return torch.stack(outputs), state


def _pair(state: Any) -> tuple[Any, Any]:
    if isinstance(state, tuple) and len(state) == 2:
        return state
    raise BatchingError(
        f"unroll: expected a state (the cell's own, that of context_fn), got a {type(state).__name__}. "
        "Write None where there is none."
    )
