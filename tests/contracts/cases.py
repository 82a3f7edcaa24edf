"""How to build every public part, and what to feed it. A part without an entry here fails the contract tests."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.layout import ParamLayout, ParamSpec

CONTEXTS = ((), (1,), (4,), (0,), (2, 3))
HIDDEN = 6

LAYOUT = ParamLayout(
    (
        ParamSpec(name="conv.weight", shape=(3, 2, 2), kind="convolution", fan_in=4, fan_out=6, init_std=0.5),
        ParamSpec(name="conv.bias", shape=(3,), kind="bias", fan_in=4, fan_out=6, init_mean=0.1, init_std=0.2),
        ParamSpec(name="norm.weight", shape=(3,), kind="norm_gain", init_mean=1.0, init_std=0.0),
        ParamSpec(name="temperature", shape=(), init_mean=2.0, init_std=0.0),
        ParamSpec(name="out.weight", shape=(2, 3), kind="linear", fan_in=3, fan_out=2, init_std=0.6),
        ParamSpec(name="out.bias", shape=(2,), kind="bias", fan_in=3, fan_out=2, init_std=0.6, aliases=("out.copy",)),
    )
)
"""A matrix, a filter bank, vectors, a scalar, an alias, and tensors that start without variance; 27 numbers."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One public part.

    Args:
        part: its class.
        build: makes one; takes ``device`` and ``dtype`` unless ``factories`` is false.
        example: contexts and type -> an input that uses every trainable number.
        output: shape of the output behind the context dimensions; None for weights of `LAYOUT`.
        variant: tells several cases of a part apart.
        factories: whether the constructor takes ``device`` and ``dtype``.
    """

    part: type
    build: Callable[..., nn.Module]
    example: Callable[[tuple[int, ...], torch.dtype], Tensor]
    output: tuple[int, ...] | None
    variant: str = ""
    factories: bool = True

    def __str__(self) -> str:
        return f"{self.part.__name__}{f'-{self.variant}' if self.variant else ''}"


def classes(folder: ModuleType) -> set[type]:
    """The public classes of a folder."""
    return {part for name in folder.__all__ if isinstance(part := getattr(folder, name), type)}


def combines() -> set[type]:
    """The public classes of the targets' folder that are combines."""
    return {part for part in classes(targets) if hasattr(part, "needs_base")}


def names(cases: Iterable[object]) -> list[str]:
    """For ``ids=``."""
    return [str(case) for case in cases]


def _indices(contexts: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    count = torch.Size(contexts).numel()
    return (torch.arange(count) % 4).reshape(contexts)


def _rows(*shape: int) -> Callable[[tuple[int, ...], torch.dtype], Tensor]:
    return lambda contexts, dtype: torch.randn(*contexts, *shape).to(dtype)


class Trunk(nn.Module):
    """A user's encoder of images, at module level so that it can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.out = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.out(self.conv(images).mean((2, 3)))


ENCODERS = (
    Case(
        part=encoders.Table,
        build=lambda **factories: encoders.Table(4, 5, **factories),
        example=_indices,
        output=(5,),
    ),
    Case(
        part=encoders.Vector,
        build=lambda: encoders.Vector(5),
        example=_rows(5),
        output=(5,),
        factories=False,
    ),
    Case(
        part=encoders.Noise,
        build=lambda **factories: encoders.Noise(5, **factories),
        example=_rows(5),
        output=(5,),
    ),
    Case(
        part=encoders.FromModule,
        build=lambda: encoders.FromModule(Trunk(), 4, context_dims=3),
        example=_rows(2, 4, 4),
        output=(4,),
        factories=False,
    ),
    Case(
        part=encoders.Slots,
        build=lambda **factories: encoders.Slots(3, 2, **factories),
        example=_rows(5),
        output=(3, 7),
    ),
)

BODIES = (
    Case(
        part=bodies.Linear,
        build=lambda **factories: bodies.Linear(5, HIDDEN, **factories),
        example=_rows(5),
        output=(HIDDEN,),
    ),
    Case(
        part=bodies.MLP,
        build=lambda **factories: bodies.MLP(5, 7, HIDDEN, activation="gelu", **factories),
        example=_rows(5),
        output=(HIDDEN,),
    ),
)


def _head(part: type, *sizes: int, variant: str = "", slots: int | None = None, **options: Any) -> Case:
    return Case(
        part=part,
        build=lambda **factories: part(HIDDEN, LAYOUT, *sizes, **options, **factories),
        example=_rows(HIDDEN) if slots is None else _rows(slots, HIDDEN),
        output=None,
        variant=variant,
    )


HEADS = (
    _head(heads.FullHead),
    _head(heads.FullHead, variant="unnormalised", normalize=False),
    _head(heads.MultiHead),
    _head(heads.ChunkedHead, 5, slots=6, variant="unused-end"),
    _head(heads.ChunkedHead, 1, slots=27, variant="single-numbers", signs=False),
    _head(heads.ChunkedHead, LAYOUT.numel, slots=1, variant="one-chunk", normalize=False),
    _head(heads.ComponentHead, slots=4, variant="layers"),
    _head(heads.ComponentHead, slots=7, variant="rows", component="row"),
)

COMBINES = (targets.Replace(), targets.Residual(), targets.Scale(), targets.LowRank(2))

PARTS = (*ENCODERS, *BODIES, *HEADS)


def with_slots(head: nn.Module) -> nn.Module | None:
    """What stands before a head's body: slots if it takes any."""
    return None if head.slots is None else encoders.Slots(head.slots, 3)
