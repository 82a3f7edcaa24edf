"""Sizes and parts for a HyperDNN in one line."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from torch import nn

from hyperdnn import bodies, encoders, heads
from hyperdnn import init as initial
from hyperdnn.layout import ParamLayout, Selector
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.protocols import Combine
from hyperdnn.targets import Policy, Target

__all__ = ["Start", "make"]

Start: TypeAlias = initial.Init | Literal["target"]
"""A rule of `init`, or ``"target"``: every context starts at the target's own initial weights."""

FULL_HEAD_LIMIT = 2_000_000
"""The largest full head, in parameters, that is made without being asked for."""


def make(
    module: nn.Module,
    encoder: encoders.Table | encoders.Vector | encoders.Noise,
    *,
    select: Selector | Sequence[Selector],
    combine: Combine | None,
    buffers: Policy | None,
    init: Start,
    hidden: int,
) -> tuple[Target, Hypernet]:
    """Target and hypernet with a two-layer body, and the head that the target's size asks for.

    Small targets get a `FullHead`. Larger ones get a `ChunkedHead` with chunks so long that the hypernet has about
    half as many parameters as it generates.
    """
    values = dict(module.named_parameters(remove_duplicate=False)) if init == "target" else None
    target = Target(module, select, combine=combine, buffers=buffers)
    layout = target.layout
    rule = initial.matched if isinstance(init, str) else init
    width = encoder.features
    if values is not None or hidden * layout.numel <= FULL_HEAD_LIMIT:
        head: heads.FullHead | heads.ChunkedHead = heads.FullHead(hidden, layout, init=rule)
        slots = None
        if values is not None:
            initial.from_target_(head, values)
    else:
        head = chunked = heads.ChunkedHead(hidden, layout, _chunk(layout, hidden), init=rule)
        slots = encoders.Slots(chunked.slots, features=32)
        width += slots.features
    body = bodies.MLP(width, hidden, hidden, activation="gelu")
    return target, Hypernet(encoder=encoder, slots=slots, body=body, head=head)


def _chunk(layout: ParamLayout, hidden: int) -> int:
    chunk = layout.numel // (2 * hidden)
    return max(32, chunk - chunk % 32)  # multiples of 32 make good matrix products
