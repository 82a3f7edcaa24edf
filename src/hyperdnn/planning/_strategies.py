"""The ways to generate one layout: which apply, how each is built, and the code that a user would write."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import nn

from hyperdnn import heads
from hyperdnn.layout import ParamLayout, ParamSpec, SlotPlan
from hyperdnn.planning._subject import Subject
from hyperdnn.protocols import Combine
from hyperdnn.targets import LowRank, Replace

__all__ = ["FEATURES", "FULL_HEAD_LIMIT", "Strategy", "strategies"]

FEATURES = 32
"""Width of task and slot embeddings."""

FULL_HEAD_LIMIT = 2_000_000
"""The largest head, in parameters, that is made without being asked for, as in ``HyperDNN.for_tasks``."""

_HEAD_RANK, _CHANGE_RANK = 16, 4


@final
@dataclass(frozen=True, kw_only=True)
class Strategy:
    """One way to generate the weights of a target.

    Args:
        name: the review's word, with the size in brackets.
        layout: what is generated.
        make: makes the head; takes ``device`` and ``dtype``.
        code: makes ``head``, given ``target``.
        plan: how the layout is divided among slots; None without slots.
        combine: another one than the target's own.
    """

    name: str
    layout: ParamLayout
    make: Callable[..., nn.Module]
    code: str
    plan: SlotPlan | None = None
    combine: Combine | None = None

    @property
    def kind(self) -> str:
        """The name without its size."""
        return self.name if self.name.startswith("component") else self.name.partition(" (")[0]


def strategies(subject: Subject, hidden: int, room: int | None) -> tuple[list[Strategy], dict[str, str]]:
    """All strategies for a target, and those that do not apply with the reason.

    Args:
        subject: the target.
        hidden: width of the features that reach the head.
        room: parameters that a head and its slots may have, for the chunk size that just fits.
    """
    layout = _generated(subject.replaced, subject.combine)
    chunks = _chunks(layout, hidden, room)
    offers: dict[str, Strategy | str] = {
        "generate once": _once(layout, hidden),
        "multiple heads": _multiple_heads(layout, hidden),
        f"low-rank ({_HEAD_RANK})": _low_rank(layout, hidden),
        "component-wise (layer)": _by_layer(layout, hidden),
        **{f"chunk-wise ({chunk})": _chunk_wise(layout, hidden, chunk) for chunk in chunks},
        "component-wise (row)": _by_row(layout, hidden),
        "low-rank change": _low_rank_change(subject, hidden),
    }
    if not chunks:
        offers["chunk-wise"] = f"{layout.numel} numbers are no more than one chunk of 32"
    found = [offer for offer in offers.values() if isinstance(offer, Strategy)]
    return found, {name: offer for name, offer in offers.items() if isinstance(offer, str)}


def _once(layout: ParamLayout, hidden: int) -> Strategy:
    return Strategy(
        name="generate once",
        layout=layout,
        make=partial(heads.FullHead, hidden, layout),
        code=f"head = heads.FullHead({hidden}, target.layout)",
    )


def _multiple_heads(layout: ParamLayout, hidden: int) -> Strategy | str:
    if len(layout) == 1:
        return "there is a single tensor, for which it would be generate once"
    return Strategy(
        name="multiple heads",
        layout=layout,
        make=partial(heads.MultiHead, hidden, layout),
        code=f"head = heads.MultiHead({hidden}, target.layout)",
    )


def _low_rank(layout: ParamLayout, hidden: int) -> Strategy | str:
    factored = [_pays(spec) for spec in layout]
    if not any(factored):
        return f"no matrix is larger than two factors of rank {_HEAD_RANK} would be"
    make: Callable[..., nn.Module]
    if all(factored):
        make = partial(heads.FactoredHead, hidden, layout, _HEAD_RANK)
        code = f"head = heads.FactoredHead({hidden}, target.layout, {_HEAD_RANK})"
    else:
        make = partial(_joined, layout, hidden)
        code = (
            "def large(spec):\n"
            "    rows = max((1, *spec.shape[:1]))\n"
            f"    return {_HEAD_RANK} * (rows + spec.numel // rows) < spec.numel\n\n"
            f"factored = heads.FactoredHead({hidden}, target.layout.select(large), {_HEAD_RANK})\n"
            f"full = heads.FullHead({hidden}, target.layout.select(lambda spec: not large(spec)))\n"
            "head = heads.Join(target.layout, [factored, full])"
        )
    return Strategy(name=f"low-rank ({_HEAD_RANK})", layout=layout, make=make, code=code)


def _pays(spec: ParamSpec) -> bool:
    """Whether two factors are smaller than the matrix; a rank for which they are is below both of its sides."""
    rows = max((1, *spec.shape[:1]))
    return _HEAD_RANK * (rows + spec.numel // rows) < spec.numel


def _joined(layout: ParamLayout, hidden: int, *, device: torch.device, dtype: torch.dtype) -> nn.Module:
    factored = heads.FactoredHead(hidden, layout.select(_pays), _HEAD_RANK, device=device, dtype=dtype)
    full = heads.FullHead(hidden, layout.select(lambda spec: not _pays(spec)), device=device, dtype=dtype)
    return heads.Join(layout, [factored, full])


def _by_layer(layout: ParamLayout, hidden: int) -> Strategy | str:
    plan = SlotPlan.by_layer(layout)
    if plan.slots == 1:
        return "there is a single layer, for which it would be generate once"
    return Strategy(
        name="component-wise (layer)",
        layout=layout,
        make=partial(heads.ComponentHead, hidden, layout),
        code=f"head = heads.ComponentHead({hidden}, target.layout)",
        plan=plan,
    )


def _by_row(layout: ParamLayout, hidden: int) -> Strategy | str:
    plan = SlotPlan.by_row(layout)
    if plan.slots <= SlotPlan.by_layer(layout).slots:
        return "no layer has several rows"
    return Strategy(
        name="component-wise (row)",
        layout=layout,
        make=partial(heads.ComponentHead, hidden, layout, component="row"),
        code=f'head = heads.ComponentHead({hidden}, target.layout, component="row")',
        plan=plan,
    )


def _chunk_wise(layout: ParamLayout, hidden: int, chunk: int) -> Strategy:
    return Strategy(
        name=f"chunk-wise ({chunk})",
        layout=layout,
        make=partial(heads.ChunkedHead, hidden, layout, chunk),
        code=f"head = heads.ChunkedHead({hidden}, target.layout, {chunk})",
        plan=SlotPlan.by_chunk(layout, chunk),
    )


def _low_rank_change(subject: Subject, hidden: int) -> Strategy | str:
    """What HyperDNN's users know from LoRA, with the head that the number of factors asks for."""
    if not isinstance(subject.combine, Replace) or subject.arguments is None:
        name = type(subject.combine).__name__
        return f"the Target exists, and its combine is {name}. Plan for the plain module to compare"
    sides = [min(s.shape[0], s.numel // max(s.shape[0], 1)) for s in subject.replaced if len(s.shape) > 1]
    if not sides or not min(sides):
        return "a matrix is empty" if sides else "there is no matrix to change"
    combine = LowRank(min(_CHANGE_RANK, *sides))
    layout = _generated(subject.replaced, combine)
    if 2 * layout.numel > subject.replaced.numel:
        return f"its factors are {layout.numel:,} numbers, too many beside {subject.replaced.numel:,} weights"
    head = _once(layout, hidden)
    chunk = _half(layout, hidden)
    if hidden * layout.numel > FULL_HEAD_LIMIT and chunk < layout.numel:
        head = _chunk_wise(layout, hidden, chunk)
    return Strategy(
        name=f"low-rank change ({combine.rank})",
        layout=layout,
        make=head.make,
        code=head.code,
        plan=head.plan,
        combine=combine,
    )


def _generated(replaced: ParamLayout, combine: Combine) -> ParamLayout:
    return ParamLayout(tuple(part for spec in replaced for part in combine.specs(spec)))


def _chunks(layout: ParamLayout, hidden: int, room: int | None) -> list[int]:
    """A few chunk sizes, the largest first.

    That of the smallest hypernet; half as many parameters as are generated, as in ``HyperDNN.for_tasks``; one midway
    between the smallest and the whole vector; and the largest that leaves everything within the room.
    """
    # Output map and slot embeddings, (hidden + 1) * chunk + FEATURES * numel / chunk, are smallest here.
    small = _multiple_of_32(math.sqrt(layout.numel * FEATURES / (hidden + 1)))
    sizes = {small} | (set() if room is None else _filling(layout, hidden, room))
    for size in (_half(layout, hidden), _multiple_of_32(math.sqrt(small * layout.numel))):
        if size > small and not any(size < 2 * other and other < 2 * size for other in sizes):
            sizes.add(size)
    return sorted((size for size in sizes if size < layout.numel), reverse=True)


def _filling(layout: ParamLayout, hidden: int, room: int) -> set[int]:
    """The largest chunk whose output map and slot embeddings fit; none if none does."""
    most = min(room // (hidden + 1), layout.numel - 1)
    for size in range(most // 32 * 32, 31, -32):
        if (hidden + 1) * size + -(-layout.numel // size) * FEATURES + len(layout) <= room:
            return {size}
    return set()


def _half(layout: ParamLayout, hidden: int) -> int:
    return max(32, layout.numel // (2 * hidden) // 32 * 32)


def _multiple_of_32(size: float) -> int:
    """What makes good matrix products."""
    return max(32, round(size / 32) * 32)
