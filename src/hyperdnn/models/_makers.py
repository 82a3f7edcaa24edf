"""Sizes and parts for a HyperDNN in one line."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import nn

from hyperdnn import bodies, encoders, heads
from hyperdnn import init as initial
from hyperdnn.errors import ConfigError
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

    Raises:
        ConfigError: if ``init`` is another word than ``"target"``.
    """
    if isinstance(init, str) and init != "target":
        raise ConfigError(f"init='{init}' is unknown: expected a rule such as init.matched, or 'target'.")
    # A change starts at zero, so with a base the target's own weights are where it starts anyway.
    at_target = init == "target" and not (combine is not None and combine.needs_base)
    example = next(module.parameters(), torch.empty(0))  # the hypernet follows its device and number format
    values = dict(module.named_parameters(remove_duplicate=False)) if at_target else {}
    target = Target(module, select, combine=combine, buffers=buffers)
    layout = target.layout
    rule = initial.matched if isinstance(init, str) else init
    width = encoder.features
    if at_target or hidden * layout.numel <= FULL_HEAD_LIMIT:
        head: heads.FullHead | heads.ChunkedHead = heads.FullHead(hidden, layout, init=rule)
        slots = None
        if at_target:
            initial.from_target_(head, values)
    else:
        head = chunked = heads.ChunkedHead(hidden, layout, _chunk(layout, hidden), init=rule)
        slots = encoders.Slots(chunked.slots, features=32)
        width += slots.features
    body = bodies.MLP(width, hidden, hidden, activation="gelu")
    hypernet = Hypernet(encoder=encoder, slots=slots, body=body, head=head)
    device = None if example.is_meta else example.device
    return target, hypernet.to(device=device, dtype=example.dtype)


def _chunk(layout: ParamLayout, hidden: int) -> int:
    chunk = layout.numel // (2 * hidden)
    return min(layout.numel, max(32, chunk - chunk % 32))  # multiples of 32 make good matrix products
