"""One step of an LSTM whose weights change at every time step."""

from typing import NamedTuple, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError

__all__ = ["HyperLSTMCell", "HyperState", "start_state"]

HyperState: TypeAlias = tuple[Tensor, ...]
"""``(h, c, hyper h, hyper c)``."""

_GATES = 4  # in torch's order: enter, forget, new, leave
_EPS = 1e-3  # the released code's; it matters, for the gates start at a tenth of their usual size
_FIRST_SCALE = 0.1


class _Operands(NamedTuple):
    """What every time step multiplies by, laid out once for a whole sequence."""

    from_hidden: Tensor  # (hidden, 4 * hidden + 4 * hyper): the gates of both LSTMs, in one product
    hyper_hidden: Tensor  # (hyper, 4 * hyper)
    embed: Tensor  # (hyper, 12 * embedding)
    embed_bias: Tensor  # (12 * embedding,)
    emit: Tensor  # (12, embedding, hidden)


@final
class _Gates(nn.Module):
    """What one LSTM does with its gates' sums: layer norm for each gate and the cell state, a bias, then the step."""

    gain: Tensor
    bias: Tensor | None

    def __init__(
        self,
        size: int,
        *,
        layer_norm: bool,
        bias: bool,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.layer_norm = layer_norm
        for name, present in (("gain", layer_norm), ("bias", bias)):
            value = torch.empty(_GATES, size, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(value) if present else None)
        self.cell = nn.LayerNorm(size, _EPS, device=device, dtype=dtype) if layer_norm else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gains one, biases zero."""
        for name, parameter in self.named_parameters(recurse=False):
            nn.init.constant_(parameter, float(name == "gain"))

    def forward(self, gates: Tensor, c: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
        if self.layer_norm:
            gates = F.layer_norm(gates, (self.size,), eps=_EPS) * self.gain
        if self.bias is not None:
            gates = gates + self.bias
        enter, forget, new, leave = gates.unbind(-2)
        # Only what enters the cell is dropped: nothing that the cell remembers is ever lost.
        c = (forget + 1).sigmoid() * c + enter.sigmoid() * F.dropout(new.tanh(), dropout, self.training)
        return leave.sigmoid() * self.cell(c).tanh(), c


@final
class HyperLSTMCell(nn.Module):
    """One step of an LSTM whose weights' rows a second, smaller LSTM scales anew at every step.

    A row scale stands for a whole generated matrix, ``diag(scale) W``, at the cost of one number for each row. The
    published initial values treat all ``embedding_size`` numbers of an embedding alike, so for the scales they stay
    alike: a wider embedding makes richer biases, not richer scales, until something else tells its numbers apart.

    Args:
        input_size: width of the input.
        hidden_size: width of the state, which is the output.
        hyper_size: width of the LSTM that generates.
        embedding_size: numbers that pass from it to each of the twelve generated vectors.
        recurrent_dropout: probability of dropping what enters the cell state; the smaller LSTM drops nothing.
        layer_norm: normalise each gate and the cell state, in both LSTMs.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        input ``(batch, input_size)`` or ``(input_size,)``, and a state ``(h, c, hyper h, hyper c)`` or None for zeros
        -> the new state, of which ``h (batch, hidden_size)`` is the output.

    Raises:
        ConfigError: for a size below one or a dropout outside ``[0, 1)``.
        ValueError: for an input or a state that does not fit.

    Source:
        Ha, Dai & Le, "HyperNetworks", ICLR 2017, section 3.2 and appendix A.2; initial values and epsilon as in the
        authors' released code. Semeniuta, Severyn & Barth, "Recurrent Dropout without Memory Loss", COLING 2016.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        hyper_size: int = 128,
        embedding_size: int = 16,
        *,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.hyper_size = hyper_size
        self.embedding_size = embedding_size
        self.recurrent_dropout = recurrent_dropout
        self.layer_norm = layer_norm
        for name in ("input_size", "hidden_size", "hyper_size", "embedding_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"HyperLSTMCell: expected {name} of at least 1, got {getattr(self, name)}.")
        if not 0 <= recurrent_dropout < 1:
            raise ConfigError(f"HyperLSTMCell: expected recurrent_dropout in [0, 1), got {recurrent_dropout}.")

        def empty(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))

        self.weight_ih = empty(_GATES * hidden_size, input_size)
        self.weight_hh = empty(_GATES * hidden_size, hidden_size)
        self.hyper_weight_ih = empty(_GATES * hyper_size, hidden_size + input_size)
        self.hyper_weight_hh = empty(_GATES * hyper_size, hyper_size)
        # Embeddings and what is made of them: the scales of weight_hh's gates, those of weight_ih's, and the biases.
        self.embed_scales = nn.Linear(hyper_size, 2 * _GATES * embedding_size, device=device, dtype=dtype)
        self.embed_biases = nn.Linear(hyper_size, _GATES * embedding_size, bias=False, device=device, dtype=dtype)
        self.emit_scales = empty(2 * _GATES, embedding_size, hidden_size)
        self.emit_biases = empty(_GATES, embedding_size, hidden_size)
        self.bias = empty(_GATES, hidden_size)
        # Without layer norm, a second bias on the main gates would add nothing to the first.
        self.gates = _Gates(hidden_size, layer_norm=layer_norm, bias=layer_norm, device=device, dtype=dtype)
        self.hyper_gates = _Gates(hyper_size, layer_norm=layer_norm, bias=True, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The published initial values: every scale starts at 0.1 and every generated bias at zero."""
        for weight in (self.weight_ih, self.hyper_weight_ih):
            nn.init.xavier_uniform_(weight)
        for weight in (self.weight_hh, self.hyper_weight_hh):
            for gate in weight.detach().chunk(_GATES):
                nn.init.orthogonal_(gate)
        nn.init.zeros_(self.embed_scales.weight)
        nn.init.ones_(self.embed_scales.bias)
        nn.init.constant_(self.emit_scales, _FIRST_SCALE / self.embedding_size)
        nn.init.normal_(self.embed_biases.weight, std=0.01)
        nn.init.zeros_(self.emit_biases)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor, state: HyperState | None = None) -> HyperState:
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(f"HyperLSTMCell: expected input (batch, {self.input_size}), got {tuple(input.shape)}.")
        state = start_state(state, input, input.shape[:-1], (self.hidden_size, self.hyper_size))
        if input.ndim == 1:
            last = self(input.unsqueeze(0), tuple(s.unsqueeze(0) for s in state))
            return tuple(s.squeeze(0) for s in last)
        return self._step(self._inputs(input), state, self._operands())

    def run(self, steps: Tensor, state: HyperState) -> tuple[Tensor, HyperState]:
        """All steps of a sequence ``(time, batch, input_size)``: outputs ``(time, batch, hidden_size)``, last state."""
        operands, outputs = self._operands(), []
        for inputs in self._inputs(steps).unbind(0):
            state = self._step(inputs, state, operands)
            outputs.append(state[0])
        return torch.stack(outputs), state

    def _inputs(self, input: Tensor) -> Tensor:
        """What `_step` needs of inputs, in one product: for a whole sequence at once, since nothing in it recurs."""
        weight = torch.cat([self.weight_ih, self.hyper_weight_ih[:, self.hidden_size :]])
        return F.linear(input, weight)

    def _operands(self) -> _Operands:
        """What `_step` multiplies by: lay it out once for a sequence."""
        zeros = self.embed_scales.bias.new_zeros(_GATES * self.embedding_size)
        return _Operands(
            from_hidden=torch.cat([self.weight_hh, self.hyper_weight_ih[:, : self.hidden_size]]).t(),
            hyper_hidden=self.hyper_weight_hh.t(),
            embed=torch.cat([self.embed_scales.weight, self.embed_biases.weight]).t(),
            embed_bias=torch.cat([self.embed_scales.bias, zeros]),
            emit=torch.cat([self.emit_scales, self.emit_biases]),
        )

    def _step(self, inputs: Tensor, state: HyperState, operands: _Operands) -> HyperState:
        """The new state, from what `_inputs` made of an input ``(batch, input_size)``."""
        h, c, hyper_h, hyper_c = state
        own = _GATES * self.hidden_size  # the rest belongs to the hyper LSTM
        hidden = h @ operands.from_hidden
        hyper_gates = torch.addmm(hidden[:, own:] + inputs[:, own:], hyper_h, operands.hyper_hidden)
        hyper_h, hyper_c = self.hyper_gates(hyper_gates.view(-1, _GATES, self.hyper_size), hyper_c, 0.0)

        scale_hidden, scale_input, bias = self._generate(hyper_h, operands)
        shape = (-1, _GATES, self.hidden_size)
        gates = scale_hidden * hidden[:, :own].reshape(shape) + bias
        gates = torch.addcmul(gates, scale_input, inputs[:, :own].reshape(shape))
        h, c = self.gates(gates, c, self.recurrent_dropout)
        return h, c, hyper_h, hyper_c

    def generate(self, hyper_h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row scales of the hidden weights, those of the input weights, and biases, each ``(batch, 4, hidden_size)``.

        Args:
            hyper_h: ``(batch, hyper_size)``; that of a new state gives what was used to arrive at it.
        """
        return self._generate(hyper_h, self._operands())

    def _generate(self, hyper_h: Tensor, operands: _Operands) -> tuple[Tensor, Tensor, Tensor]:
        embedded = torch.addmm(operands.embed_bias, hyper_h, operands.embed)
        embedded = embedded.view(-1, 3 * _GATES, self.embedding_size).transpose(0, 1)
        scale_hidden, scale_input, bias = torch.bmm(embedded, operands.emit).transpose(0, 1).chunk(3, dim=1)
        return scale_hidden, scale_input, bias + self.bias


def start_state(state: HyperState | None, like: Tensor, lead: tuple[int, ...], widths: tuple[int, int]) -> HyperState:
    """The state given, or zeros ``(*lead, width)``.

    Raises:
        ValueError: if the state given has other shapes.
    """
    main, hyper = ((*lead, width) for width in widths)
    if state is None:
        return like.new_zeros(main), like.new_zeros(main), like.new_zeros(hyper), like.new_zeros(hyper)
    given, expected = [tuple(s.shape) for s in state], [main, main, hyper, hyper]
    if given != expected:  # plain operations would broadcast it
        raise ValueError(f"HyperLSTM: expected a state (h, c, hyper h, hyper c) of {expected}, got {given}.")
    return state
