"""Contexts that come in time: a history, a trajectory, a series."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_finite, check_form, check_like, is_readable
from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.errors import ContextError
from hyperdnn.nn import Recurrent
from hyperdnn.typing import Context

__all__ = ["Sequence"]


@final
class Sequence(nn.Module):
    """Reads a sequence of vectors with a gated recurrent unit; its last state becomes the features.

    The first state is learned: it is what a sequence without steps becomes.

    Args:
        inputs: width of a step.
        features: width of the output.
        hidden: width of the state.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, time, inputs)``, or a tuple of it and lengths ``(*contexts)`` -> ``(*contexts, features)``. What
        stands behind a sequence's length does not matter.

    Raises:
        ContextError: if a shape or type is wrong, a value is not finite, or a length is not among 0 to ``time``.

    Source:
        Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, section 2.3.
    """

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        hidden: int = 64,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.features = features
        self.hidden = hidden
        # Torch's own layer has no rule for vmap and breaks the graph in torch.compile.
        self.gru = Recurrent(nn.GRU(inputs, hidden, batch_first=True, device=device, dtype=dtype))
        self.start = nn.Parameter(torch.zeros(hidden, device=device, dtype=dtype))
        self.out = nn.Linear(hidden, features, device=device, dtype=dtype)
        keep_scale_(self.out)

    def forward(self, context: Context) -> Float[Tensor, "*contexts features"]:
        steps, lengths = context if isinstance(context, tuple) and len(context) == 2 else (context, None)
        check_form(steps, ("time", self.inputs), "Sequence")
        check_like(steps, self.start, "Sequence")
        if lengths is not None:
            _check_lengths(steps, lengths)
            beyond = torch.arange(steps.shape[-2], device=steps.device) >= lengths.unsqueeze(-1)
            steps = steps.masked_fill(beyond.unsqueeze(-1), 0.0)
        check_finite(steps, "Sequence")
        states = self._states(steps)
        if lengths is None:
            last = states[..., -1, :]
        else:
            index = lengths.long()[..., None, None].expand(*lengths.shape, 1, self.hidden)
            last = states.gather(-2, index).squeeze(-2)
        out: Tensor = self.out(last)
        return out

    def _states(self, steps: Tensor) -> Tensor:
        """The state before the first step and after each: ``(*contexts, 1 + time, hidden)``."""
        *contexts, time, _ = steps.shape
        start = self.start.expand(*contexts, 1, self.hidden)
        if steps.numel() == 0:  # the kernels refuse to run over nothing
            return start.expand(*contexts, 1 + time, self.hidden)
        count = torch.Size(contexts).numel()
        states, _ = self.gru(steps.reshape(count, time, self.inputs), start.reshape(1, count, self.hidden))
        return torch.cat([start, states.reshape(*contexts, time, self.hidden)], dim=-2)


def _check_lengths(steps: Tensor, lengths: object) -> None:
    if not isinstance(lengths, Tensor):
        kinds = f"{type(steps).__name__} and {type(lengths).__name__}"
        raise ContextError(f"Sequence takes tensors (*contexts, time, inputs) and (*contexts), got {kinds}.")
    contexts, time = tuple(steps.shape[:-2]), steps.shape[-2]
    integers = not (lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool)
    if not integers or lengths.shape != contexts:
        raise ContextError(
            f"Sequence: expected integer lengths {contexts}, got {lengths.dtype} {tuple(lengths.shape)}."
        )
    if lengths.device != steps.device:
        raise ContextError(f"Sequence: the lengths are on {lengths.device}, the steps on {steps.device}.")
    if not is_readable(lengths):
        return
    wrong = (lengths < 0) | (lengths > time)
    if bool(wrong.any()):
        raise ContextError(f"Sequence: expected lengths of 0 to {time} steps, got {lengths[wrong][0].item()}.")
