"""One step of each recurrent cell, in plain tensor operations, and torch's cells rebuilt on them."""

from collections.abc import Callable
from typing import TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn._torch import is_mapped

__all__ = ["STEPS", "RecurrentCell", "State", "Step"]

State: TypeAlias = tuple[Tensor, ...]
"""``(h,)``, or ``(h, c)`` for an LSTM, each ``(batch, hidden)``."""

Step: TypeAlias = Callable[[Tensor, State, Tensor, Tensor | None], State]
"""``(gates from the input, state, recurrent weight, recurrent bias) -> state``."""


def _lstm(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    enter, forget, new, leave = (gates + F.linear(state[0], weight, bias)).chunk(4, -1)
    cell = forget.sigmoid() * state[1] + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def _gru(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    reset_x, update_x, new_x = gates.chunk(3, -1)
    reset_h, update_h, new_h = F.linear(state[0], weight, bias).chunk(3, -1)
    new = (new_x + (reset_x + reset_h).sigmoid() * new_h).tanh()
    return (new + (update_x + update_h).sigmoid() * (state[0] - new),)


def _rnn_tanh(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    return ((gates + F.linear(state[0], weight, bias)).tanh(),)


def _rnn_relu(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    return ((gates + F.linear(state[0], weight, bias)).relu(),)


STEPS: dict[str, Step] = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _rnn_tanh, "RNN_RELU": _rnn_relu}
"""By torch's own mode names."""

_KERNELS: dict[str, Callable[..., Tensor | State]] = {
    "LSTM": torch.lstm_cell,
    "GRU": torch.gru_cell,
    "RNN_TANH": torch.rnn_tanh_cell,
    "RNN_RELU": torch.rnn_relu_cell,
}


@final
class RecurrentCell(nn.Module):
    """A torch ``LSTMCell``, ``GRUCell`` or ``RNNCell`` that also runs under ``torch.vmap``.

    Takes over the cell's parameters under their names. One context: torch's kernel on the weights passed; many: plain
    tensor operations, since the kernels have no batching rule.

    Args:
        cell: the layer to take over; it keeps its settings for `restore`.

    Shape:
        as the cell's.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.input_size = cell.input_size
        self.hidden_size = cell.hidden_size
        self.bias = cell.bias
        self.mode = {nn.LSTMCell: "LSTM", nn.GRUCell: "GRU"}.get(type(cell), "")
        if isinstance(cell, nn.RNNCell):
            self.mode = f"RNN_{cell.nonlinearity.upper()}"
        self.training = cell.training
        for name, parameter in cell.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def restore(self) -> nn.RNNCellBase:
        """Torch's own cell with the same settings and fresh parameters."""
        sizes = (self.input_size, self.hidden_size, self.bias)
        if self.mode == "LSTM":
            return nn.LSTMCell(*sizes)
        if self.mode == "GRU":
            return nn.GRUCell(*sizes)
        return nn.RNNCell(*sizes, nonlinearity=self.mode.removeprefix("RNN_").lower())

    def forward(self, input: Tensor, hx: Tensor | State | None = None) -> Tensor | State:
        if input.ndim not in (1, 2):
            raise ValueError(f"{self.mode} cell: expected input (batch, {self.input_size}), got {tuple(input.shape)}.")
        if hx is None:
            zeros = input.new_zeros(*input.shape[:-1], self.hidden_size)
            hx = (zeros, zeros) if self.mode == "LSTM" else zeros
        state = hx if isinstance(hx, tuple) else (hx,)
        for given in state:
            if given.shape != (*input.shape[:-1], self.hidden_size):  # plain operations would broadcast it
                expected = (*input.shape[:-1], self.hidden_size)
                raise RuntimeError(f"{self.mode} cell: expected a state {expected}, got {tuple(given.shape)}.")
        bias_ih, bias_hh = (self.bias_ih, self.bias_hh) if self.bias else (None, None)
        weights = (self.weight_ih, self.weight_hh, bias_ih, bias_hh)
        if is_mapped(input, *state, *weights):
            gates = F.linear(input, self.weight_ih, bias_ih)
            state = tuple(s.to(gates.dtype) for s in state)  # as the kernels do under autocast
            state = STEPS[self.mode](gates, state, self.weight_hh, bias_hh)
        else:
            row, *rows = [t.unsqueeze(0) if input.ndim == 1 else t for t in (input, *state)]
            out = _KERNELS[self.mode](row, rows if self.mode == "LSTM" else rows[0], *weights)
            state = out if isinstance(out, tuple) else (out,)
            state = tuple(t.squeeze(0) if input.ndim == 1 else t for t in state)
        return state if self.mode == "LSTM" else state[0]
