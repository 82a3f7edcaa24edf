"""What each strategy costs, read from the hypernet itself, which is built without storage."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, final

import torch
from torch.utils.flop_counter import FlopCounterMode

from hyperdnn.layout import Count, SlotPlan
from hyperdnn.planning._build import after_encoder, as_code, generate
from hyperdnn.planning._measure import time_to_generate
from hyperdnn.planning._strategies import FEATURES, Strategy
from hyperdnn.planning._subject import Subject
from hyperdnn.targets import Replace

__all__ = ["Row", "row"]


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One strategy and what it costs.

    Args:
        strategy: its name, with its size in brackets.
        kind: its name alone.
        count: trained, generated and deployed numbers, exactly those of the model that the code builds.
        unused: generated numbers that belong to no tensor.
        whole_layers: layers whose weights all come from one row of features.
        memory: bytes of all parameters, and of the trained ones' gradients and two moments of Adam.
        context_memory: bytes more for each context in a training step: its weights and their gradients. Activations are
            in neither.
        operations: multiply-adds of the matrix products that generate the weights of one context.
        seconds: to generate the weights of one context.
        measured: whether that was measured; otherwise it is an estimate from a measured rate.
        code: builds ``model``, given ``net``, or ``target`` where the plan was made for a `Target`.
    """

    strategy: str
    kind: str
    count: Count
    unused: int
    whole_layers: int
    memory: int
    context_memory: int
    operations: int
    seconds: float
    measured: bool
    code: str

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        data = asdict(self)
        counts = data.pop("count")
        return {**data, **counts, "compression_ratio": self.count.compression_ratio}


def row(strategy: Strategy, subject: Subject, *, contexts: int, hidden: int) -> Row:
    """What a strategy costs.

    Args:
        strategy: which.
        subject: the target.
        contexts: how many task embeddings there are.
        hidden: width of the body.
    """
    meta = torch.device("meta")
    hypernet = after_encoder(strategy, hidden, device=meta, dtype=subject.dtype)
    numbers = contexts * FEATURES + sum(p.numel() for p in hypernet.parameters())
    frozen = subject.frozen + (subject.replaced.numel if strategy.combine else 0)  # a change leaves its base
    count = Count(
        trained=numbers + subject.kept,
        total=numbers + subject.kept + frozen,
        hypernet=numbers,
        generated=strategy.layout.numel,
        deployed=subject.deployed,
    )
    combined = 0 if isinstance(strategy.combine or subject.combine, Replace) else subject.replaced.numel
    with FlopCounterMode(display=False) as counter:
        generate(hypernet, strategy, subject, torch.empty(1, FEATURES, device=meta, dtype=subject.dtype))
    operations = counter.get_total_flops() // 2
    seconds, measured = time_to_generate(strategy, subject, hidden, operations)
    return Row(
        strategy=strategy.name,
        kind=strategy.kind,
        count=count,
        unused=strategy.plan.unused if strategy.plan else 0,
        whole_layers=_whole_layers(strategy, subject),
        memory=subject.dtype.itemsize * (3 * count.trained + count.total),
        context_memory=subject.dtype.itemsize * 2 * (count.generated + combined),
        operations=operations,
        seconds=seconds,
        measured=measured,
        code=as_code(strategy, subject, contexts=contexts, hidden=hidden),
    )


def _whole_layers(strategy: Strategy, subject: Subject) -> int:
    """Layers that lie in a single slot."""
    if strategy.plan is None:
        return subject.layers
    combine = strategy.combine or subject.combine
    layer = {part.name: spec.name.rpartition(".")[0] for spec in subject.replaced for part in combine.specs(spec)}
    slots: dict[str, set[int]] = {}
    for name, first, last in _extents(strategy.plan):
        slots.setdefault(layer[name], set()).update((first, last))
    return sum(len(found) == 1 for found in slots.values())


def _extents(plan: SlotPlan) -> Iterator[tuple[str, int, int]]:
    """For each tensor the first and the last slot that it lies in."""
    start = 0
    for group in plan.groups:
        if not group.runs:  # chunks of the flat vector
            for spec, offset in zip(plan.layout, plan.layout.offsets, strict=True):
                yield spec.name, offset // group.size, max(offset, offset + spec.numel - 1) // group.size
        for run in group.runs:
            yield from ((name, start, start + max(run.slots, 1) - 1) for name in run.names)
            start += run.slots
