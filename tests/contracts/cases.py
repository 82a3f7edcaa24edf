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
        pickles: whether it can be pickled; torch's reparametrised layers refuse.
        cross: whether the input is a tuple of arguments: slots and tokens.
        twice: whether it can be differentiated twice; what torch gives for weight norm is wrong.
    """

    part: type
    build: Callable[..., nn.Module]
    example: Callable[[tuple[int, ...], torch.dtype], Any]
    output: tuple[int, ...] | None
    variant: str = ""
    factories: bool = True
    pickles: bool = True
    cross: bool = False
    twice: bool = True

    def call(self, part: Callable[..., Any], x: Any) -> Any:
        """Run the part, or what became of it, on an example."""
        return part(*x) if self.cross else part(x)

    def __str__(self) -> str:
        return f"{self.part.__name__}{f'-{self.variant}' if self.variant else ''}"


def classes(folder: ModuleType) -> set[type]:
    """The public classes of a folder."""
    return {part for name in folder.__all__ if isinstance(part := getattr(folder, name), type)}


NO_PARTS = {encoders.Nodes}
"""Reads architectures, not contexts: see tests/unit/encoders/test_nodes.py."""


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
        part=encoders.UniformNoise,
        build=lambda **factories: encoders.UniformNoise(5, **factories),
        example=_rows(5),
        output=(5,),
    ),
    Case(
        part=encoders.LearnedNoise,
        build=lambda **factories: encoders.LearnedNoise(5, **factories),
        example=_rows(5),
        output=(5,),
    ),
    Case(
        part=encoders.ScaledVector,
        build=lambda **factories: encoders.ScaledVector([(-9.0, 9.0), (0.01, 9.0)], log=[1], **factories),
        example=lambda contexts, dtype: (torch.rand(*contexts, 2) + 0.5).to(dtype),
        output=(2,),
    ),
    Case(
        part=encoders.QuarterCircle,
        build=lambda **factories: encoders.QuarterCircle([(-9.0, 9.0), (0.01, 9.0)], log=[1], **factories),
        example=lambda contexts, dtype: (torch.rand(*contexts, 2) + 0.5).to(dtype),
        output=(4,),
    ),
    Case(
        part=encoders.Fourier,
        build=lambda **factories: encoders.Fourier(3, 4, scale=0.3, **factories),
        example=_rows(3),
        output=(8,),
    ),
    Case(
        part=encoders.Tokens,
        build=lambda: encoders.Tokens(5),
        example=_rows(4, 5),
        output=(4, 5),
        factories=False,
    ),
    Case(
        part=encoders.Simplex,
        build=lambda **factories: encoders.Simplex(5, **factories),
        example=lambda contexts, dtype: torch.rand(*contexts, 5).softmax(-1).to(dtype),
        output=(5,),
    ),
    Case(
        part=encoders.Set,
        build=lambda **factories: encoders.Set(3, 5, hidden=8, num_heads=2, **factories),
        example=_rows(4, 3),
        output=(5,),
    ),
    Case(
        part=encoders.Set,
        build=lambda **factories: encoders.Set(3, 5, hidden=8, num_heads=2, **factories),
        example=lambda contexts, dtype: (_rows(4, 3)(contexts, dtype), _indices((*contexts, 4), dtype) != 1),
        output=(5,),
        variant="masked",
    ),
    Case(
        part=encoders.Graph,
        build=lambda **factories: encoders.Graph(3, 5, hidden=8, layers=2, num_heads=2, **factories),
        example=lambda contexts, dtype: (_rows(4, 3)(contexts, dtype), _rows(4, 4)(contexts, dtype)),
        output=(5,),
    ),
    Case(
        part=encoders.Graph,
        build=lambda **factories: encoders.Graph(3, 5, hidden=8, layers=2, num_heads=2, **factories),
        example=lambda contexts, dtype: (
            _rows(4, 3)(contexts, dtype),
            _rows(4, 4)(contexts, dtype),
            _indices((*contexts, 4), dtype) != 1,
        ),
        output=(5,),
        variant="masked",
    ),
    Case(
        part=encoders.Sequence,
        build=lambda **factories: encoders.Sequence(3, 5, hidden=8, **factories),
        example=_rows(4, 3),
        output=(5,),
    ),
    Case(
        part=encoders.Sequence,
        build=lambda **factories: encoders.Sequence(3, 5, hidden=8, **factories),
        example=lambda contexts, dtype: (_rows(4, 3)(contexts, dtype), _indices(contexts, dtype) + 1),
        output=(5,),
        variant="lengths",
    ),
    Case(
        part=encoders.Image,
        build=lambda **factories: encoders.Image(2, 5, widths=(4, 6), **factories),
        example=_rows(2, 6, 5),
        output=(5,),
    ),
    Case(
        part=encoders.Cells,
        build=lambda **factories: encoders.Cells(2, 5, widths=(4, 6), **factories),
        example=_rows(2, 6, 9),
        output=(2, 3, 5),
    ),
    Case(
        part=encoders.Join,
        build=lambda: encoders.Join(encoders.Table(4, 2), encoders.Vector(3)),
        example=lambda contexts, dtype: (_indices(contexts, dtype), _rows(3)(contexts, dtype)),
        output=(5,),
        factories=False,
    ),
    Case(
        part=encoders.WeightedSum,
        build=lambda **factories: encoders.WeightedSum(
            encoders.Table(4, 5, **factories), encoders.Vector(5), **factories
        ),
        example=lambda contexts, dtype: (_indices(contexts, dtype), _rows(5)(contexts, dtype)),
        output=(5,),
    ),
    Case(
        part=encoders.Frozen,
        build=lambda: encoders.Frozen(encoders.FromModule(Trunk(), 4, context_dims=3)),
        example=_rows(2, 4, 4),
        output=(4,),
        factories=False,
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


def _body(part: type, *widths: int, variant: str = "", rows: tuple[int, ...] = (), **options: Any) -> Case:
    return Case(
        part=part,
        build=lambda **factories: part(5, *widths, HIDDEN, **options, **factories),
        example=_rows(*rows, 5),
        output=(*rows, HIDDEN),
        variant=variant,
        pickles="reparametrize" not in options,
        twice=options.get("reparametrize") != "weight",
    )


def _crossed(*, masked: bool = False) -> Case:
    def example(contexts: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
        inputs = (_rows(3, 5)(contexts, dtype), _rows(4, 7)(contexts, dtype))
        return (*inputs, _indices((*contexts, 4), dtype) != 1) if masked else inputs

    return Case(
        part=bodies.CrossAttention,
        build=lambda **factories: bodies.CrossAttention(5, 7, HIDDEN, heads=2, **factories),
        example=example,
        output=(3, HIDDEN),
        variant="masked" if masked else "",
        cross=True,
    )


def _flow(couplings: int) -> Case:
    return Case(
        part=bodies.Flow,
        build=lambda **factories: bodies.Flow(5, couplings=couplings, width=7, **factories),
        example=_rows(5),
        output=(5,),
        variant="" if couplings else "diagonal",
    )


BODIES = (
    _body(bodies.Linear),
    _body(bodies.MLP, 7, activation="gelu"),
    _body(bodies.MLP, HIDDEN, variant="residual", residual=True, norm="layer"),
    _body(bodies.MLP, 7, variant="sine", activation="sine", w0=2.0),
    _body(bodies.MLP, 7, variant="weight", activation="tanh", reparametrize="weight"),
    _body(bodies.MLP, HIDDEN, variant="spectral", activation="tanh", residual=True, reparametrize="spectral"),
    _body(bodies.Attention, rows=(3,), heads=2),
    _body(bodies.RNN, rows=(3,), layers=2),
    _body(bodies.RNN, rows=(3,), variant="lstm", cell="lstm"),
    _body(bodies.CNN, 7, rows=(3,), activation="gelu"),
    _body(bodies.CNN, HIDDEN, rows=(3,), variant="residual", residual=True, norm="layer"),
    _crossed(),
    _crossed(masked=True),
    Case(
        part=bodies.Deconv,
        build=lambda **factories: bodies.Deconv(5, 4, 7, HIDDEN, slots=5, activation="gelu", **factories),
        example=_rows(5),
        output=(5, HIDDEN),
    ),
    _flow(3),
    _flow(0),
    _body(bodies.Graph, rows=(3,), graph=(3, ((0, 1), (1, 2)))),
)


def _head(part: type, *sizes: int, variant: str = "", slots: int | None = None, **options: Any) -> Case:
    return Case(
        part=part,
        build=lambda **factories: part(HIDDEN, LAYOUT, *sizes, **options, **factories),
        example=_rows(HIDDEN) if slots is None else _rows(slots, HIDDEN),
        output=None,
        variant=variant,
    )


_LINKS = {"conv.weight": "tanh", "conv.bias": "sigmoid2", "norm.*": "one_plus", "out.*": "fan_in"}
_OTHERS = LAYOUT.select("conv.bias", "norm.*", "temp*", "out.bias")


def _joined(head: nn.Module, **factories: Any) -> nn.Module:
    """A head for the matrices beside one for `_OTHERS`, not in the layout's order."""
    return heads.Join(
        LAYOUT, [head, heads.FactoredHead(HIDDEN, LAYOUT.select("conv.weight", "out.weight"), 2, **factories)]
    )


HEADS = (
    Case(
        part=heads.FlatHead,
        build=lambda: heads.FlatHead(LAYOUT),
        example=_rows(LAYOUT.numel),
        output=None,
        factories=False,
    ),
    _head(heads.FullHead),
    _head(heads.FullHead, variant="unnormalised", normalize=False),
    _head(heads.MultiHead),
    _head(heads.ChunkedHead, 5, slots=6, variant="unused-end"),
    _head(heads.ChunkedHead, 1, slots=27, variant="single-numbers", signs=False),
    _head(heads.ChunkedHead, LAYOUT.numel, slots=1, variant="one-chunk", normalize=False),
    _head(heads.ComponentHead, slots=4, variant="layers"),
    _head(heads.ComponentHead, slots=7, variant="rows", component="row"),
    _head(heads.FactoredHead, 2),
    _head(heads.TiledHead, slots=4, tile=(2, 2, 1)),
    _head(heads.TiledHead, slots=6, variant="owner", tile=(4, 4), owner=(0, 0, 2, 3, 5, 5)),
    _head(heads.NodeHead, slots=4),
    _head(heads.CoordinateHead, width=5),
    _head(heads.CoordinateHead, variant="one-layer", layers=1, frequency=1.0, normalize=False),
    Case(
        part=heads.Join,
        build=lambda **factories: _joined(heads.MultiHead(HIDDEN, _OTHERS, **factories), **factories),
        example=_rows(HIDDEN),
        output=None,
        variant="no-slots",
    ),
    Case(
        part=heads.Join,
        build=lambda **factories: _joined(heads.ChunkedHead(HIDDEN, _OTHERS, 4, **factories), **factories),
        example=_rows(4, HIDDEN),
        output=None,
        variant="slots",
    ),
    Case(
        part=heads.Linked,
        build=lambda **factories: heads.Linked(
            LAYOUT, _LINKS, lambda layout: heads.FullHead(HIDDEN, layout, **factories)
        ),
        example=_rows(HIDDEN),
        output=None,
    ),
)

COMBINES = (targets.Replace(), targets.Residual(), targets.Scale(), targets.LowRank(2), targets.Gaussian())

PARTS = (*ENCODERS, *BODIES, *HEADS)


def with_slots(head: nn.Module) -> nn.Module | None:
    """What stands before a head's body: slots if it takes any."""
    return None if head.slots is None else encoders.Slots(head.slots, 3)
