"""One step of an LSTM whose weights change at every time step."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.nn._hyper_lstm_steps import GATES, HyperState, Inputs, Norms, Operands, embed, step

__all__ = ["HyperLSTMCell", "start_state"]

_FIRST_SCALE = 0.1


@final
class _Gates(nn.Module):
    """What one LSTM adds to its gates' sums: layer norm for each gate and the cell state, and a bias."""

    gain: Tensor | None
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
            value = torch.empty(GATES, size, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(value) if present else None)
        self.cell = nn.LayerNorm(size, device=device, dtype=dtype) if layer_norm else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gains one, biases zero."""
        for name, parameter in self.named_parameters(recurse=False):
            nn.init.constant_(parameter, float(name == "gain"))

    def norms(self, like: Tensor) -> Norms:
        """As operands of every step."""
        offset = F.pad(like.new_ones(1), (1, 2)).view(GATES, 1)  # the forget gate starts one step further open
        offset = (offset if self.bias is None else offset + self.bias).unsqueeze(1)
        if self.gain is None:
            return Norms(offset)
        assert isinstance(self.cell, nn.LayerNorm)
        return Norms(offset, self.gain.unsqueeze(1), self.cell.weight, self.cell.bias)


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

        self.weight_ih = empty(GATES * hidden_size, input_size)
        self.weight_hh = empty(GATES * hidden_size, hidden_size)
        self.hyper_weight_ih = empty(GATES * hyper_size, hidden_size + input_size)
        self.hyper_weight_hh = empty(GATES * hyper_size, hyper_size)
        # Embeddings and what is made of them: the scales of weight_hh's gates, those of weight_ih's, and the biases.
        self.embed_scales = nn.Linear(hyper_size, 2 * GATES * embedding_size, device=device, dtype=dtype)
        self.embed_biases = nn.Linear(hyper_size, GATES * embedding_size, bias=False, device=device, dtype=dtype)
        self.emit_scales = empty(2 * GATES, embedding_size, hidden_size)
        self.emit_biases = empty(GATES, embedding_size, hidden_size)
        self.bias = empty(GATES, hidden_size)
        # Without layer norm, a second bias on the main gates would add nothing to the first.
        self.gates = _Gates(hidden_size, layer_norm=layer_norm, bias=layer_norm, device=device, dtype=dtype)
        self.hyper_gates = _Gates(hyper_size, layer_norm=layer_norm, bias=True, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The published initial values: every scale starts at 0.1 and every generated bias at zero."""
        for weight in (self.weight_ih, self.hyper_weight_ih):
            nn.init.xavier_uniform_(weight)
        for weight in (self.weight_hh, self.hyper_weight_hh):
            for gate in weight.detach().chunk(GATES):
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
        return step(self.inputs(input), state, self.operands())

    def inputs(self, input: Tensor) -> Inputs:
        """What the gates of both LSTMs need of inputs: for a whole sequence at once, since nothing in it recurs.

        Args:
            input: ``([time,] batch, input_size)``.
        """
        main = F.linear(input, self.weight_ih).view(*input.shape[:-1], GATES, self.hidden_size).transpose(-2, -3)
        hyper = F.linear(input, self.hyper_weight_ih[:, self.hidden_size :])
        if not (self.training and self.recurrent_dropout):
            return Inputs(main, hyper, None)
        return Inputs(
            main, hyper, F.dropout(input.new_ones(*input.shape[:-1], self.hidden_size), self.recurrent_dropout)
        )

    def operands(self) -> Operands:
        """What every step computes with: lay it out once for a sequence."""
        size = self.embedding_size
        # One more embedding, which is always one, carries the bias that nobody generates.
        constant = F.pad(self.bias.new_zeros(GATES, size), (0, 1), value=1.0)
        embed_biases = F.pad(self.embed_biases.weight.view(GATES, size, self.hyper_size), (0, 0, 0, 1))
        emit_hidden, emit_input = self.emit_scales.chunk(2)
        return Operands(
            hidden=self.weight_hh.t(),
            # Contiguous, for then layers with another input have it laid out alike, and share what compile_steps makes.
            hyper_from_hidden=self.hyper_weight_ih[:, : self.hidden_size].contiguous().t(),
            hyper_hidden=self.hyper_weight_hh.t(),
            embed=torch.cat([self.embed_scales.weight, embed_biases.flatten(0, 1)]).t(),
            embed_bias=torch.cat([self.embed_scales.bias, constant.flatten()]),
            emit_hidden=emit_hidden,
            emit_input=emit_input,
            emit_bias=torch.cat([self.emit_biases, self.bias.unsqueeze(1)], dim=1),
            gates=self.gates.norms(self.bias),
            hyper_gates=self.hyper_gates.norms(self.bias),
        )

    def generate(self, hyper_h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row scales of the hidden weights, those of the input weights, and biases, each ``(batch, 4, hidden_size)``.

        Args:
            hyper_h: ``(batch, hyper_size)``; that of a new state gives what was used to arrive at it.
        """
        operands = self.operands()
        for_hidden, for_input, for_bias = embed(hyper_h, operands)
        scale_hidden = torch.bmm(for_hidden, operands.emit_hidden)
        scale_input = torch.bmm(for_input, operands.emit_input)
        bias = torch.bmm(for_bias, operands.emit_bias)
        return scale_hidden.transpose(0, 1), scale_input.transpose(0, 1), bias.transpose(0, 1)


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
