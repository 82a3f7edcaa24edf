"""The time steps of a HyperLSTM, as plain functions of tensors: what a compiler can take several of at a time."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["GATES", "HyperState", "Inputs", "Norms", "Operands", "Walk", "compiled_walk", "embed", "step", "walk"]

HyperState: TypeAlias = tuple[Tensor, ...]
"""``(h, c, hyper h, hyper c)``."""

GATES = 4  # in torch's order: enter, forget, new, leave
_EPS = 1e-3  # the released code's; it matters, for the gates start at a tenth of their usual size


class Norms(NamedTuple):
    """What follows one LSTM's sums of gates; without layer norm only the offset."""

    offset: Tensor  # (4, 1, size)
    gain: Tensor | None = None  # (4, 1, size)
    cell_gain: Tensor | None = None  # (size,)
    cell_offset: Tensor | None = None


class Operands(NamedTuple):
    """What every step computes with, laid out once for a whole sequence."""

    hidden: Tensor  # (hidden, 4 * hidden)
    hyper_from_hidden: Tensor  # (hidden, 4 * hyper)
    hyper_hidden: Tensor  # (hyper, 4 * hyper)
    embed: Tensor  # (hyper, 8 * embedding + 4 * (embedding + 1))
    embed_bias: Tensor  # (8 * embedding + 4 * (embedding + 1),)
    emit_hidden: Tensor  # (4, embedding, hidden)
    emit_input: Tensor  # (4, embedding, hidden)
    emit_bias: Tensor  # (4, embedding + 1, hidden): the last embedding is always one
    gates: Norms
    hyper_gates: Norms


class Inputs(NamedTuple):
    """What steps take in, with or without a dimension of time in front."""

    main: Tensor  # (4, batch, hidden)
    hyper: Tensor  # (batch, 4 * hyper)
    keep: Tensor | None  # (batch, hidden): zero or more than one, where recurrent dropout is on


Walk: TypeAlias = Callable[[Inputs, HyperState, Operands], tuple[Tensor, HyperState]]


def walk(inputs: Inputs, state: HyperState, operands: Operands) -> tuple[Tensor, HyperState]:
    """Step after step: outputs ``(time, batch, hidden)`` and the last state."""
    outputs = []
    keeps = [None] * len(inputs.main) if inputs.keep is None else inputs.keep.unbind(0)
    for here in zip(inputs.main.unbind(0), inputs.hyper.unbind(0), keeps, strict=True):
        state = step(Inputs(*here), state, operands)
        outputs.append(state[0])
    return torch.stack(outputs), state


@cache
def compiled_walk(backend: str) -> Walk:
    """`walk` as generated code, one piece for all layers of equal sizes. Copying a layer copies nothing of it."""
    compiled: Walk = torch.compile(walk, backend=backend, fullgraph=True)
    return compiled


def step(inputs: Inputs, state: HyperState, operands: Operands) -> HyperState:
    """The new state. Gates are in front of the batch, where taking them apart and together again is cheapest."""
    h, c, hyper_h, hyper_c = state
    hyper_gates = torch.addmm(inputs.hyper, h, operands.hyper_from_hidden)
    hyper_gates = torch.addmm(hyper_gates, hyper_h, operands.hyper_hidden)
    hyper_h, hyper_c = _advance(_gates_first(hyper_gates), hyper_c, operands.hyper_gates, None)

    for_hidden, for_input, for_bias = embed(hyper_h, operands)
    gates = torch.bmm(for_hidden, operands.emit_hidden) * _gates_first(h @ operands.hidden)
    gates = gates + torch.bmm(for_input, operands.emit_input) * inputs.main
    gates = gates + torch.bmm(for_bias, operands.emit_bias)
    h, c = _advance(gates, c, operands.gates, inputs.keep)
    return h, c, hyper_h, hyper_c


def embed(hyper_h: Tensor, operands: Operands) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings ``(4, batch, embedding)`` of the hidden weights' scales, the input weights' scales, and the biases."""
    each, last = (GATES * emit.shape[1] for emit in (operands.emit_input, operands.emit_bias))
    parts = torch.split(torch.addmm(operands.embed_bias, hyper_h, operands.embed), [each, each, last], dim=1)
    for_hidden, for_input, for_bias = map(_gates_first, parts)
    return for_hidden, for_input, for_bias


def _gates_first(rows: Tensor) -> Tensor:
    return rows.view(len(rows), GATES, rows.shape[1] // GATES).transpose(0, 1)


def _advance(gates: Tensor, c: Tensor, norms: Norms, keep: Tensor | None) -> tuple[Tensor, Tensor]:
    """New output and cell state from the gates' sums."""
    size = c.shape[-1:]
    if norms.gain is None:
        gates = gates + norms.offset
    else:
        gates = F.layer_norm(gates, size, eps=_EPS) * norms.gain + norms.offset
    enter, forget, new, leave = gates.unbind(0)
    # Only what enters the cell is dropped: nothing that the cell remembers is ever lost.
    entering = new.tanh() if keep is None else new.tanh() * keep
    c = forget.sigmoid() * c + enter.sigmoid() * entering
    memory = c if norms.gain is None else F.layer_norm(c, size, norms.cell_gain, norms.cell_offset, _EPS)
    return leave.sigmoid() * memory.tanh(), c
