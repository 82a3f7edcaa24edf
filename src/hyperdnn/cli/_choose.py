"""Which context is meant, and which data its network is run on."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from hyperdnn.cli._usage import UsageError
from hyperdnn.errors import nearest
from hyperdnn.typing import Context

if TYPE_CHECKING:
    from torch import Tensor

    from hyperdnn.lab import View

_DRAWN = 16  # inputs, where only their shape is known


@final
@dataclass(frozen=True, eq=False)
class Chosen:
    """One context.

    Args:
        name: such as ``"task 3"`` or ``"preference 0.3, 0.7"``.
        context: itself.
        number: its place among those of the view; None if it is none of them.
    """

    name: str
    context: Context
    number: int | None


def choose(view: "View", text: str) -> Chosen:
    """The context that somebody typed: by its name, by its number, or the numbers of a context vector.

    Raises:
        UsageError: it is none, with the nearest name, the range, or how many numbers are wanted.
    """
    names = [name.casefold() for name in view.names]
    if text.casefold() in names:
        return _shown(view, names.index(text.casefold()))
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return _numbered(view, int(text))
    words = [word for word in re.split(r"[\s,;]+", text.strip("()[] ")) if word]
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if numbers:
        return _vector(view, numbers)
    raise UsageError(f"--context: no {view.context} '{text}'.{nearest(text, view.names)} {_some(view)}")


def inputs_for(view: "View", chosen: Chosen, shape: list[int] | None) -> tuple["Tensor", str]:
    """Inputs to compare networks on, with words for where they are from.

    Args:
        view: has data, perhaps.
        chosen: whose data is preferred.
        shape: of one input, to be drawn; None for the view's own.

    Raises:
        UsageError: there are none.
    """
    import torch

    if shape is not None:
        like = next(view.model.parameters())
        drawn = torch.randn(_DRAWN, *shape, generator=torch.Generator().manual_seed(0)).to(like)
        return drawn, f"{_DRAWN} drawn inputs of shape {tuple(shape)}"
    own = [probe for probe in view.probes if probe.context is not None and probe.context == chosen.number]
    anyones = [probe for probe in view.probes if probe.context is None]
    for probe in [*own, *anyones, *view.probes]:
        return probe.inputs, f"{len(probe.inputs):,} inputs of '{probe.name}'"
    raise UsageError(
        "the recipe has no data to compare networks on. Say what one input's shape is, --shape 1,28,28, and some are "
        "drawn."
    )


def _shown(view: "View", number: int) -> Chosen:
    name = view.names[number]
    if list(view.names).count(name) > 1:
        name = f"{name} ({number})"
    return Chosen(name, view.rows(number), number)


def _numbered(view: "View", number: int) -> Chosen:
    import torch

    from hyperdnn.encoders import Table

    encoder = getattr(view.model.hypernet, "encoder", None)
    rows = encoder.contexts if isinstance(encoder, Table) else 0  # of which a view shows the first ones only
    last = max(len(view.names), rows) - 1
    if not 0 <= number <= last:
        raise UsageError(f"--context {number}: expected a {view.context}'s number, from 0 to {last}.")
    if number < len(view.names):
        return _shown(view, number)
    return Chosen(f"{view.context} {number}", torch.tensor(number), None)


def _vector(view: "View", numbers: list[float]) -> Chosen:
    import torch
    from torch import Tensor

    contexts = view.contexts
    if not (isinstance(contexts, Tensor) and contexts.is_floating_point() and contexts.ndim == 2):
        raise UsageError(f"--context: a {view.context} is no vector of numbers. {_some(view)}")
    wanted = contexts.shape[1]
    if len(numbers) != wanted:
        what = f" ({'; '.join(view.coordinates)})" if view.coordinates else ""
        raise UsageError(f"--context: a {view.context} is {wanted} numbers{what}, got {len(numbers)}.")
    if not all(map(math.isfinite, numbers)):
        raise UsageError(f"--context: expected finite numbers, got {numbers}.")
    name = f"{view.context} {', '.join(f'{number:g}' for number in numbers)}"
    return Chosen(name, torch.tensor(numbers, dtype=contexts.dtype, device=contexts.device), None)


def _some(view: "View") -> str:
    first, last = view.names[0], view.names[-1]
    between = "" if len(view.names) < 3 else f" ({len(view.names)} in all)"
    return f"There are '{first}' to '{last}'{between}, or type a number." if first != last else f"There is '{first}'."
