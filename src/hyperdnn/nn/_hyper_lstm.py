"""LSTM whose weights change at every time step, because a smaller LSTM generates scales for their rows."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn._torch import is_transformed
from hyperdnn.errors import ConfigError
from hyperdnn.nn._hyper_lstm_cell import HyperLSTMCell, start_state
from hyperdnn.nn._hyper_lstm_steps import HyperState, Inputs, Operands, compiled_walk, walk

__all__ = ["HyperLSTM"]


@final
class HyperLSTM(nn.Module):
    """`HyperLSTMCell` over sequences, in layers on top of each other, with the interface of torch's ``LSTM``.

    A loop over time in plain tensor operations, with the products of all inputs taken at once: on a CPU about five
    times as slow as torch's ``LSTM`` of the same width. At equal width it also has more parameters: compare at equal
    numbers of them, too. Detach all four tensors of the state between segments of a long sequence. `compile_steps`
    makes it faster.

    Args:
        input_size: width of the input.
        hidden_size: width of the output.
        hyper_size: width of the LSTM that generates, in each layer.
        embedding_size: numbers that pass from it to each of the twelve generated vectors.
        num_layers: cells on top of each other.
        batch_first: input and output ``(batch, time, width)``.
        recurrent_dropout: as for `HyperLSTMCell`.
        layer_norm: as for `HyperLSTMCell`.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        input ``(time, batch, input_size)`` or ``(time, input_size)``, and a state of four tensors
        ``(num_layers, batch, width)`` or None for zeros -> ``(time, batch, hidden_size)`` and the last state.

    Raises:
        ConfigError: as `HyperLSTMCell`, or for fewer than one layer.
        ValueError: for an input or a state that does not fit.

    Source:
        Ha, Dai & Le, "HyperNetworks", ICLR 2017, section 3.2 and appendix A.2.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        hyper_size: int = 128,
        embedding_size: int = 16,
        *,
        num_layers: int = 1,
        batch_first: bool = False,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ConfigError(f"HyperLSTM: expected num_layers of at least 1, got {num_layers}.")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.hyper_size = hyper_size
        self.embedding_size = embedding_size
        self.num_layers = num_layers
        self.batch_first = batch_first
        self.recurrent_dropout = recurrent_dropout
        self.layer_norm = layer_norm
        self.layers = nn.ModuleList(
            HyperLSTMCell(
                hidden_size if layer else input_size,
                hidden_size,
                hyper_size,
                embedding_size,
                recurrent_dropout=recurrent_dropout,
                layer_norm=layer_norm,
                device=device,
                dtype=dtype,
            )
            for layer in range(num_layers)
        )
        self._compiled: tuple[int, str] | None = None

    def compile_steps(self, steps: int = 5, *, backend: str = "inductor") -> None:
        """Run that many time steps at a time as generated code, where ``torch.compile(layer)`` would unroll them all.

        Takes about a third less time for each training step, and costs a compilation at the next call (half a minute
        on a CPU, more with more steps), another one for another batch size, which then serves all sizes, and
        another without gradients. More steps hardly run faster. What is left of a sequence after whole segments runs
        as before. Parameters and ``state_dict`` stay as they are, results but for rounding; copies and pickles keep the
        setting, a loaded ``state_dict`` has none. Called again, it changes the numbers.

        Second derivatives need the layer as it was: torch refuses them for generated code. Mapped calls (many
        contexts) and calls inside another compilation are as before, too.

        Args:
            steps: time steps in one piece of code.
            backend: of ``torch.compile``.

        Raises:
            ConfigError: for fewer than one step.
        """
        if steps < 1:
            raise ConfigError(f"compile_steps: expected steps of at least 1, got {steps}.")
        self._compiled = steps, backend

    def forward(self, input: Tensor, state: HyperState | None = None) -> tuple[Tensor, HyperState]:
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(f"HyperLSTM: expected input (time, batch, {self.input_size}), got {tuple(input.shape)}.")
        if input.ndim == 2:
            rows = None if state is None else tuple(s.unsqueeze(1) for s in state)
            batch = 0 if self.batch_first else 1
            output, last = self(input.unsqueeze(batch), rows)
            return output.squeeze(batch), tuple(s.squeeze(1) for s in last)
        steps = input.transpose(0, 1) if self.batch_first else input
        if len(steps) == 0:
            raise ValueError(f"HyperLSTM: expected at least one time step, got {tuple(input.shape)}.")
        state = start_state(state, steps, (self.num_layers, steps.shape[1]), (self.hidden_size, self.hyper_size))
        lasts = []
        for cell, *start in zip(self.layers, *state, strict=True):
            assert isinstance(cell, HyperLSTMCell)
            steps, last = self._run(cell.inputs(steps), tuple(start), cell.operands())
            lasts.append(last)
        last = tuple(torch.stack(parts) for parts in zip(*lasts, strict=True))
        return (steps.transpose(0, 1) if self.batch_first else steps), last

    def _run(self, inputs: Inputs, state: HyperState, operands: Operands) -> tuple[Tensor, HyperState]:
        if self._compiled is None or is_transformed():
            return walk(inputs, state, operands)
        size, backend = self._compiled
        compiled, outputs = compiled_walk(backend), []
        if torch.is_grad_enabled() and operands.hidden.requires_grad:
            # As all later states: otherwise the first segment would be a program of its own.
            state = tuple(s if s.requires_grad else s.detach().requires_grad_() for s in state)
        for main, hyper, keep in zip(*(_cut(part, size, len(inputs.main)) for part in inputs), strict=True):
            assert main is not None
            assert hyper is not None
            # A shorter rest would be a program of its own, compiled for a single call.
            run = compiled if len(main) == size else walk
            output, state = run(Inputs(main, hyper, keep), state, operands)
            outputs.append(output)
        return torch.cat(outputs), state


def _cut(part: Tensor | None, size: int, time: int) -> Sequence[Tensor | None]:
    return [None] * -(-time // size) if part is None else torch.split(part, size)
