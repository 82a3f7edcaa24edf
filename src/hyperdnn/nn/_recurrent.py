"""Recurrent layers that run with weights from outside, for one context and for many."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from hyperdnn._torch import is_mapped, kernels
from hyperdnn.errors import BatchingError
from hyperdnn.nn._cells import STEPS, State

__all__ = ["Recurrent"]

_KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "LSTM": kernels.lstm,
    "GRU": kernels.gru,
    "RNN_TANH": kernels.rnn_tanh,
    "RNN_RELU": kernels.rnn_relu,
}


@final
class Recurrent(nn.Module):
    """A torch ``LSTM``, ``GRU`` or ``RNN`` whose weights may come from outside, also under ``torch.vmap``.

    Torch's layers keep a list of their weights beside the parameters, which breaks once the parameters are generated,
    and their fused kernels have no batching rule. This layer takes over parameters and names, calls torch's kernel on
    whatever weights it is given for one context, and runs plain cells, all time steps' input products at once, for
    many.

    Args:
        layer: the layer to take over; `restore` builds it again.

    Shape:
        as the layer's; packed sequences for one context only.

    Raises:
        BatchingError: for a packed sequence under many contexts.
    """

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.mode = layer.mode
        self.input_size = layer.input_size
        self.hidden_size = layer.hidden_size
        self.num_layers = layer.num_layers
        self.bias = layer.bias
        self.batch_first = layer.batch_first
        self.dropout = layer.dropout
        self.bidirectional = layer.bidirectional
        self.proj_size = layer.proj_size
        self.training = layer.training
        for name, parameter in layer.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        suffixes = ["", "_reverse"] if layer.bidirectional else [""]
        leaves = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if layer.bias else [])]
        leaves += ["weight_hr"] if layer.proj_size else []
        # One list of names for each layer and direction, in the order in which the kernels want the weights.
        self._cells = [[f"{leaf}_l{i}{s}" for leaf in leaves] for i in range(layer.num_layers) for s in suffixes]

    def restore(self) -> nn.RNNBase:
        """Torch's own layer with the same settings and fresh parameters."""
        common = {
            "num_layers": self.num_layers,
            "bias": self.bias,
            "batch_first": self.batch_first,
            "dropout": self.dropout,
            "bidirectional": self.bidirectional,
        }
        if self.mode == "LSTM":
            return nn.LSTM(self.input_size, self.hidden_size, proj_size=self.proj_size, **common)
        if self.mode == "GRU":
            return nn.GRU(self.input_size, self.hidden_size, **common)
        nonlinearity = self.mode.removeprefix("RNN_").lower()
        return nn.RNN(self.input_size, self.hidden_size, nonlinearity=nonlinearity, **common)

    def flatten_parameters(self) -> None:
        """Nothing to do: present because modules call it on their recurrent layers."""

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | State | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor | State]:
        weights = [[getattr(self, name) for name in cell] for cell in self._cells]
        state = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
        if isinstance(input, PackedSequence):
            return self._packed(input, state, weights)
        self._check(input, state)
        unbatched = input.ndim == 2
        if unbatched:
            steps, state = input.unsqueeze(1), tuple(s.unsqueeze(1) for s in state)
        else:
            steps = input.transpose(0, 1) if self.batch_first else input
        state = state or self._zeros(steps, steps.shape[1])
        mapped = is_mapped(steps, *state, *(w for cell in weights for w in cell))
        output, state = (self._plain if mapped else self._kernel)(steps, state, weights)
        if unbatched:
            return output.squeeze(1), self._hidden(tuple(s.squeeze(1) for s in state))
        return (output.transpose(0, 1) if self.batch_first else output), self._hidden(state)

    def _kernel(self, steps: Tensor, state: State, weights: list[list[Tensor]]) -> tuple[Tensor, State]:
        flat = [w for cell in weights for w in cell]
        flags = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional, False)
        output, *last = _KERNELS[self.mode](steps, state if self.mode == "LSTM" else state[0], flat, *flags)
        return output, tuple(last)

    def _plain(self, steps: Tensor, state: State, weights: list[list[Tensor]]) -> tuple[Tensor, State]:
        directions = 2 if self.bidirectional else 1
        finals: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                cell = layer * directions + direction
                start = tuple(s[cell] for s in state)
                output, final = self._run(steps, start, weights[cell], backward=direction == 1)
                outputs.append(output)
                finals.append(final)
            steps = torch.cat(outputs, dim=-1) if self.bidirectional else outputs[0]
            if self.dropout and layer < self.num_layers - 1:
                steps = F.dropout(steps, self.dropout, self.training)
        return steps, tuple(torch.stack(parts) for parts in zip(*finals, strict=True))

    def _run(self, steps: Tensor, state: State, weights: list[Tensor], *, backward: bool) -> tuple[Tensor, State]:
        """One direction of one layer: the input products of all time steps in one product, then the recurrence."""
        weight_ih, weight_hh, *rest = weights
        bias_ih, bias_hh = rest[:2] if self.bias else (None, None)
        step, outputs = STEPS[self.mode], []
        gates = F.linear(steps, weight_ih, bias_ih).unbind(0)
        state = tuple(s.to(gates[0].dtype) for s in state)  # as the kernels do under autocast
        for gate in reversed(gates) if backward else gates:
            state = step(gate, state, weight_hh, bias_hh)
            if self.proj_size:
                state = (F.linear(state[0], rest[-1]), *state[1:])
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if backward else outputs), state

    def _packed(
        self, input: PackedSequence, state: State, weights: list[list[Tensor]]
    ) -> tuple[PackedSequence, Tensor | State]:
        flat = [w for cell in weights for w in cell]
        if is_mapped(input.data, *state, *flat):
            raise BatchingError(
                f"{self.mode}: a packed sequence cannot be mapped over contexts. "
                "Use padded sequences with a mask, or mode='loop'."
            )
        order, back = input.sorted_indices, input.unsorted_indices
        if order is not None:
            state = tuple(s.index_select(1, order) for s in state)
        state = state or self._zeros(input.data, int(input.batch_sizes[0]))
        flags = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        output, *last = _KERNELS[self.mode](
            input.data, input.batch_sizes, state if self.mode == "LSTM" else state[0], flat, *flags
        )
        if back is not None:
            last = [s.index_select(1, back) for s in last]
        return PackedSequence(output, input.batch_sizes, order, back), self._hidden(tuple(last))

    def _zeros(self, like: Tensor, batch: int) -> State:
        layers = self.num_layers * (2 if self.bidirectional else 1)
        hidden = like.new_zeros(layers, batch, self.proj_size or self.hidden_size)
        return (hidden, like.new_zeros(layers, batch, self.hidden_size)) if self.mode == "LSTM" else (hidden,)

    def _hidden(self, state: State) -> Tensor | State:
        return state if self.mode == "LSTM" else state[0]

    def _check(self, input: Tensor, state: State) -> None:
        """Torch's own conditions, for the plain path would broadcast where the kernel refuses."""
        if input.ndim not in (2, 3):
            raise ValueError(f"{self.mode}: expected 2 or 3 input dimensions, got {tuple(input.shape)}.")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{self.mode}: expected inputs of width {self.input_size}, got {input.shape[-1]}.")
        if input.shape[1 if input.ndim == 3 and self.batch_first else 0] == 0:
            raise RuntimeError(f"{self.mode}: expected at least one time step, got {tuple(input.shape)}.")
        if not state:
            return
        batch = () if input.ndim == 2 else (input.shape[0 if self.batch_first else 1],)
        layers = self.num_layers * (2 if self.bidirectional else 1)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)
        for given, width in zip(state, widths, strict=False):
            if tuple(given.shape) != (layers, *batch, width):
                raise RuntimeError(
                    f"{self.mode}: expected a state of {(layers, *batch, width)}, got {tuple(given.shape)}."
                )
