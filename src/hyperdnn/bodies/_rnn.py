"""A recurrent network over slots."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.bodies._needs_slots import check_slots
from hyperdnn.errors import ConfigError, nearest
from hyperdnn.nn import STEPS

__all__ = ["RNN"]

_CELLS = {"gru": ("GRU", 3, (0.23,)), "lstm": ("LSTM", 4, (0.08, 0.3))}
"""Torch's mode name, how many gates, and the second moments near which the states of a fresh cell settle."""


@final
class RNN(nn.Module):
    """Recurrent network over slots in their order: a layer's weights depend on those of the layers before it.

    Needs slots: without them several contexts would be taken for the slots of one. In plain tensor operations, one
    step for each slot, so that it also runs under ``torch.vmap``, with any number of context dimensions, and can be
    differentiated twice.

    States settle far below one, so the output of each cell is its state times a fixed number that brings it near unit
    second moment: the fourth of four cells would hardly be heard. The state before the first slot is learned, and
    starts where states settle, so that the first slot starts as strong as the others.

    Args:
        features: width of the input.
        hidden: width of the state, and of the output.
        cell: ``"gru"`` or ``"lstm"``.
        layers: cells on top of each other.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, slots, features)`` -> ``(*contexts, slots, hidden)``.

    Raises:
        ConfigError: for an unknown cell, or for features without slots.

    Source:
        Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014 (GRU); Hochreiter &
        Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; Jozefowicz, Zaremba & Sutskever, "An Empirical
        Exploration of Recurrent Network Architectures", ICML 2015 (forget gates start open).
    """

    mixes_slots = True

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        cell: Literal["gru", "lstm"] = "gru",
        layers: int = 1,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if cell not in _CELLS:
            raise ConfigError(f"cell '{cell}' is unknown.{nearest(cell, _CELLS)}")
        if layers < 1:
            raise ConfigError(f"RNN needs at least one layer, got layers={layers}.")
        self.features = features
        self.hidden = hidden
        self.cell = cell
        self.layers = layers
        widths = (features, *[hidden] * (layers - 1))
        self.cells = nn.Sequential(*(_Cell(width, hidden, cell, device=device, dtype=dtype) for width in widths))

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        check_slots(self, features)
        out: Tensor = self.cells(features)
        return out


@final
class _Cell(nn.Module):
    """One layer: the input products of all slots in one product, then the recurrence."""

    def __init__(
        self, features: int, hidden: int, cell: str, *, device: torch.device | None, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        self.mode, gates, settled = _CELLS[cell]
        self.hidden = hidden
        self.gain = settled[0] ** -0.5
        self.enter = nn.Linear(features, gates * hidden, device=device, dtype=dtype)
        self.recur = nn.Linear(hidden, gates * hidden, bias=False, device=device, dtype=dtype)
        initial.fill_unit_(self.enter)  # torch's default would leave the state near zero
        nn.init.normal_(self.recur.weight, std=hidden**-0.5)
        moments = torch.tensor(settled, device=device, dtype=dtype).unsqueeze(-1)
        self.start = nn.Parameter(torch.randn(len(settled), hidden, device=device, dtype=dtype) * moments.sqrt())
        if self.mode == "LSTM":
            with torch.no_grad():
                self.enter.bias[hidden : 2 * hidden] = 1.0

    def forward(self, features: Tensor) -> Tensor:
        gates = self.enter(features).unbind(-2)
        state = tuple(start.expand(*features.shape[:-2], -1) for start in self.start)
        outputs = []
        for gate in gates:
            state = STEPS[self.mode](gate, state, self.recur.weight, None)
            outputs.append(state[0])
        states: Tensor = self.gain * torch.stack(outputs, dim=-2)
        return states
