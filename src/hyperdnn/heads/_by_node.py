"""What heads that follow a target's graph share: which row makes which tensor, and how large it starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final, get_args

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.init import Moments
from hyperdnn.layout import Kind, ParamLayout, ParamSpec

__all__ = ["KindGains", "Piece", "check_rows", "fixed_signs", "owners", "pieces"]

_KINDS = get_args(Kind)


@final
@dataclass(frozen=True)
class Piece:
    """One tensor to generate.

    Args:
        spec: its name, shape and kind.
        moments: its mean and deviation at the start.
        row: of the features that it is made from.
        turn: how many tensors of the same row come before it.
    """

    spec: ParamSpec
    moments: Moments
    row: int
    turn: int


def pieces(layout: ParamLayout, moments: Sequence[Moments], owner: Sequence[int]) -> list[Piece]:
    """A layout's tensors in its order."""
    turns: dict[int, int] = {}
    found = []
    for spec, each, row in zip(layout, moments, owner, strict=True):
        turns[row] = turns.get(row, -1) + 1
        found.append(Piece(spec, each, row, turns[row]))
    return found


def owners(
    layout: ParamLayout | None, owner: Sequence[int] | None, slots: int | None
) -> tuple[tuple[int, ...] | None, int | None]:
    """The row of each tensor and the number of rows; as given, or one row for each layer.

    Raises:
        ConfigError: if they do not fit the layout.
    """
    if layout is None:
        if owner is not None or slots is not None:
            raise ConfigError("owner= and slots= belong to a layout: pass the architecture's, or leave them out.")
        return None, None
    if not isinstance(layout, ParamLayout):
        raise ConfigError(
            f"layout: expected a ParamLayout, got {type(layout).__name__}. Of an Architecture pass "
            "architecture.layout, owner=architecture.owner and slots=len(architecture.nodes)."
        )
    if owner is None:
        layers = list(dict.fromkeys(spec.name.rpartition(".")[0] for spec in layout))
        owner = [layers.index(spec.name.rpartition(".")[0]) for spec in layout]
    rows = max(owner, default=-1) + 1 if slots is None else slots
    if len(owner) != len(layout) or min(owner) < 0 or max(owner) >= rows:
        raise ConfigError(
            f"owner: expected a row from 0 to {rows - 1} for each of {len(layout)} tensors, got {tuple(owner)}."
        )
    return tuple(owner), rows


def check_rows(head: nn.Module, features: Tensor, rows: int | None) -> None:
    """Refuse features without one row for each node.

    Raises:
        ConfigError: also where the head has no layout of its own to count the nodes of.
    """
    name = type(head).__name__
    if rows is None:
        raise ConfigError(f"this {name} has no layout of its own: pass {name}(hidden, layout), or call decode.")
    if features.ndim < 2 or features.shape[-2] != rows:
        raise ConfigError(
            f"{name}: expected one row for each of {rows} nodes, (*contexts, {rows}, hidden), got "
            f"{tuple(features.shape)}."
        )


def fixed_signs(axis: int, count: int, *, like: Tensor) -> Tensor:
    """Signs ``(count, hidden)`` for rows of features, the same in every process; the first row is all ones.

    Computed and not stored: a tensor that comes with a call may need any number of them. Signs of several axes are
    multiplied; rows that differ in any index stay independent of each other.
    """
    index = torch.arange(count, device=like.device).unsqueeze(-1)
    place = torch.arange(like.shape[-1], device=like.device)
    hashed = (index * 0x9E3779B1 + place * 0x7FEB352D + axis * 0x68BC21EB) & 0xFFFFFFFF
    for factor in (0x85EBCA6B, 0xC2B2AE35):  # the finaliser of MurmurHash3, in 32 of the 64 bits
        hashed = ((hashed ^ (hashed >> 16)) * factor) & 0xFFFFFFFF
    return torch.where(index == 0, 1, 1 - 2 * ((hashed >> 15) & 1)).to(like.dtype)


@final
class KindGains(nn.Module):
    """Turns numbers of unit variance into a tensor of given moments, for tensors that nobody has seen before.

    Tensors of one kind share a trained gain. It starts at zero and is added to the deviation, in units of
    ``fan_in ** -0.5``: a tensor that must start exactly at its mean (a change, a norm's gain) does, and training opens
    it.

    Args:
        device: where to put the gains.
        dtype: their type.
    """

    def __init__(self, *, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.gains = nn.Parameter(torch.zeros(len(_KINDS), device=device, dtype=dtype))

    def forward(self, raw: Tensor, piece: Piece) -> Tensor:
        gain = self.gains[_KINDS.index(piece.spec.kind)] * max(piece.spec.fan_in, 1) ** -0.5
        made: Tensor = piece.moments.mean + (piece.moments.std + gain) * raw
        return made
