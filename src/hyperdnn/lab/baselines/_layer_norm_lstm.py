"""An LSTM with layer norm, as one that generates its own weights' scales has it."""

from typing import TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError

__all__ = ["LayerNormLSTM"]

State: TypeAlias = tuple[Tensor, Tensor]
"""``(h, c)``."""

_GATES = 4  # in torch's order: enter, forget, new, leave
_EPS = 1e-3  # as in `hyperdnn.nn.HyperLSTM`


@final
class LayerNormLSTM(nn.Module):
    """The LSTM inside `hyperdnn.nn.HyperLSTM` with weights that stay as they are, for a fair comparison.

    Each gate and the cell state are normalised on their own; the forget gate starts one step further open. A loop over
    time in plain tensor operations: slower than torch's ``LSTM``, which has no layer norm.

    Args:
        input_size: width of the input.
        hidden_size: width of the output.
        recurrent_dropout: probability of dropping what enters the cell state.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        input ``(time, batch, input_size)`` and a state of two tensors ``(batch, hidden_size)`` or None for zeros ->
        ``(time, batch, hidden_size)`` and the last state.

    Raises:
        ConfigError: for a size below one or a dropout outside ``[0, 1)``.
        ValueError: for an input or a state that does not fit.

    Source:
        Ba, Kiros & Hinton, "Layer normalization", 2016, with initial values and epsilon of Ha, Dai & Le's released
        code. Semeniuta, Severyn & Barth, "Recurrent Dropout without Memory Loss", COLING 2016.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        recurrent_dropout: float = 0.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size) < 1:
            raise ConfigError(f"LayerNormLSTM: expected sizes of at least 1, got {input_size} and {hidden_size}.")
        if not 0 <= recurrent_dropout < 1:
            raise ConfigError(f"LayerNormLSTM: expected recurrent_dropout in [0, 1), got {recurrent_dropout}.")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.recurrent_dropout = recurrent_dropout
        self.weight_ih = nn.Parameter(torch.empty(_GATES * hidden_size, input_size, device=device, dtype=dtype))
        self.weight_hh = nn.Parameter(torch.empty(_GATES * hidden_size, hidden_size, device=device, dtype=dtype))
        self.gain = nn.Parameter(torch.empty(_GATES, hidden_size, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(_GATES, hidden_size, device=device, dtype=dtype))
        self.cell = nn.LayerNorm(hidden_size, eps=_EPS, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Recurrent weights orthogonal gate by gate, gains one, biases zero."""
        nn.init.xavier_uniform_(self.weight_ih)
        for gate in self.weight_hh.detach().chunk(_GATES):
            nn.init.orthogonal_(gate)
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.bias)

    def forward(
        self, input: Float[Tensor, "time batch input_size"], state: State | None = None
    ) -> tuple[Float[Tensor, "time batch hidden_size"], State]:
        if len(input) == 0 or input.shape[-1] != self.input_size:
            expected = f"at least one time step of (batch, {self.input_size})"
            raise ValueError(f"LayerNormLSTM: expected input of {expected}, got {tuple(input.shape)}.")
        zeros = input.new_zeros(input.shape[1], self.hidden_size)
        h, c = (zeros, zeros) if state is None else state
        if (h.shape, c.shape) != (zeros.shape, zeros.shape):  # plain operations would broadcast it
            given = [tuple(part.shape) for part in (h, c)]
            raise ValueError(f"LayerNormLSTM: expected a state (h, c) of {tuple(zeros.shape)} each, got {given}.")
        offset = self.bias + F.pad(self.bias.new_ones(1, 1), (0, 0, 1, 2))
        recurrent, outputs = self.weight_hh.t(), []
        keeps = self._keeps(input).unbind(0) if self.training and self.recurrent_dropout else [None] * len(input)
        for gates, keep in zip(F.linear(input, self.weight_ih).unbind(0), keeps, strict=True):
            sums = torch.addmm(gates, h, recurrent).view(len(h), _GATES, self.hidden_size)
            normed = F.layer_norm(sums, (self.hidden_size,), eps=_EPS) * self.gain + offset
            enter, forget, new, leave = normed.unbind(-2)
            entering = new.tanh() if keep is None else new.tanh() * keep
            c = forget.sigmoid() * c + enter.sigmoid() * entering
            h = leave.sigmoid() * self.cell(c).tanh()
            outputs.append(h)
        return torch.stack(outputs), (h, c)

    def _keeps(self, input: Tensor) -> Tensor:
        return F.dropout(input.new_ones(*input.shape[:-1], self.hidden_size), self.recurrent_dropout)
