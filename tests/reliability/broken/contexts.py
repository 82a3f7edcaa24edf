"""Contexts that the encoder before them does not take, for every public encoder, alone and in a whole model."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads

from .attempt import Attempt

sys.path.append(str(Path(__file__).parents[2] / "contracts"))
from cases import ENCODERS, HIDDEN, LAYOUT, Case  # how to build and feed every encoder

_OTHERS = (
    3,
    2.5,
    None,
    "0",
    b"0",
    {},
    {"context": torch.zeros(2, 5)},
    [torch.zeros(2, 5)],
    (),
    object(),
    print,
    1j,
    [0, 1],
    ...,
)
_FLOATS = (torch.float64, torch.float16, torch.bfloat16)
_NO_FLOATS = (torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64, torch.int8, torch.uint16)
_DISTANT = {encoders.Frozen, encoders.FromModule}  # what the module in them refuses is its own word

_PLAIN = {encoders.Vector, encoders.Noise, encoders.UniformNoise, encoders.ScaledVector, encoders.QuarterCircle}
_PLAIN |= {encoders.Simplex, encoders.Tokens, encoders.LearnedNoise, encoders.Fourier}
_WITHOUT_NUMBERS = {"precision", "meta"}  # nothing of their own to compare with
_ALLOWED: dict[type, set[str]] = {
    encoders.Image: {"width"},  # which may be any
    encoders.Cells: {"width"},
    encoders.Join: {"precision"},  # the wider type wins
    encoders.WeightedSum: {"precision"},
    encoders.LearnedNoise: {"precision"},
}
"""What some encoders take that others do not."""

Break = Callable[[st.DrawFn, Tensor], Tensor]


@dataclass(frozen=True)
class Subject:
    """An encoder, or a hypernet that begins with it."""

    name: str
    module: nn.Module
    case: Case

    @property
    def kind(self) -> type:
        return self.case.part


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Contexts that must be refused."""
    subjects = [subject for case in ENCODERS if case.part is not encoders.Slots for subject in _subjects(case)]
    return _attempt(subjects)


def whole(scratch: Path) -> list[Callable[[], object]]:
    """Every encoder's example, alone and in a whole model."""
    subjects = [subject for case in ENCODERS if case.part is not encoders.Slots for subject in _subjects(case)]
    return [partial(one.module, one.case.example((3,), torch.float32)) for one in subjects]


def _subjects(case: Case) -> list[Subject]:
    encoder = case.build()
    made = [Subject(str(case), encoder, case)]
    if getattr(encoder, "tokens", False) is not True:
        body = bodies.MLP(encoder.features, HIDDEN)
        hypernet = hd.Hypernet(encoder=case.build(), body=body, head=heads.FullHead(HIDDEN, LAYOUT))
        made.append(Subject(f"{case} in a hypernet", hypernet, case))
    return made


@st.composite
def _attempt(draw: st.DrawFn, subjects: list[Subject]) -> Attempt:
    subject = draw(st.sampled_from(subjects))
    contexts = draw(st.sampled_from([(), (1,), (3,), (2, 2), (2, 1, 3)]))
    example = subject.case.example(contexts, torch.float32)
    breaks = {**_BREAKS, **_MORE.get(subject.kind, {})}
    if subject.kind in _DISTANT:
        breaks = {name: one for name, one in breaks.items() if name in ("other", "dimensions", "nan")}
    elif subject.kind is encoders.Table:
        breaks = {name: one for name, one in breaks.items() if name in ("other", "index", "float", "meta", "sparse")}
    lone = not isinstance(subject.module, hd.Hypernet)
    allowed = _ALLOWED.get(subject.kind, set()) | (_WITHOUT_NUMBERS if lone and subject.kind in _PLAIN else set())
    names = [name for name in breaks if name not in allowed]
    name = draw(st.sampled_from(names))
    context = breaks[name](draw, example)
    return Attempt(f"{subject.name}: {name} {_shown(context)[:100]}", partial(subject.module, context))


def _shown(context: Any) -> str:
    if isinstance(context, Tensor):
        return f"{context.dtype} {tuple(context.shape)} {context.device}"
    if isinstance(context, tuple | list):
        return f"{type(context).__name__} of {[_shown(one) for one in context]}"
    return type(context).__name__


def _first(change: Break) -> Callable[[st.DrawFn, Any], Any]:
    """Breaks one tensor of an example, the numbers rather than what says where they are."""

    def broken(draw: st.DrawFn, example: Any) -> Any:
        if isinstance(example, Tensor):
            return change(draw, example)
        where = [i for i, one in enumerate(example) if one.is_floating_point()]
        at = draw(st.sampled_from(where or [0]))
        return tuple(change(draw, one) if i == at else one for i, one in enumerate(example))

    return broken


def _other(draw: st.DrawFn, example: Any) -> Any:
    other = draw(st.sampled_from(_OTHERS))
    if isinstance(example, Tensor) or draw(st.booleans()):
        return other
    at = draw(st.integers(0, len(example) - 1))
    other = 3 if other is None else other  # no mask is a mask that hides nothing
    return tuple(other if i == at else one for i, one in enumerate(example))


def _not_finite(draw: st.DrawFn, x: Tensor) -> Tensor:
    """The first number, which no mask or length hides."""
    x = x.clone()
    if x.numel():
        x.view(-1)[0] = draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    return x


def _width(draw: st.DrawFn, x: Tensor) -> Tensor:
    """Another size of the last dimension: one of 0 to 9 that it has not."""
    size = draw(st.integers(0, 9).filter(lambda n: n != x.shape[-1]))
    return x.new_zeros(*x.shape[:-1], size)


def _dimensions(draw: st.DrawFn, x: Tensor) -> Tensor:
    """No dimension at all: an encoder of indices is another matter."""
    return x.new_zeros(())


def _no_float(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x.to(draw(st.sampled_from(_NO_FLOATS)))


def _precision(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x.to(draw(st.sampled_from(_FLOATS)))


def _meta(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x.to("meta")


def _sparse(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x.to_sparse() if x.ndim else x.new_zeros(1, 1).to_sparse()


def _exotic(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x.to(draw(st.sampled_from([torch.float8_e4m3fn, torch.float8_e5m2])))


_BREAKS: dict[str, Callable[[st.DrawFn, Any], Any]] = {
    "other": _other,
    "nan": _first(_not_finite),
    "width": _first(_width),
    "dimensions": _first(_dimensions),
    "dtype": _first(_no_float),
    "precision": _first(_precision),
    "meta": _first(_meta),
    "sparse": _first(_sparse),
    "exotic": _first(_exotic),
}


def _index(draw: st.DrawFn, x: Tensor) -> Tensor:
    """One index beyond the four rows."""
    x = x.clone()
    x.view(-1)[draw(st.integers(0, x.numel() - 1))] = draw(
        st.one_of(st.integers(4, 2**63 - 1), st.integers(-(2**63), -1))
    )
    return x


def _no_index(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x.to(draw(st.sampled_from([torch.float32, torch.bool, torch.complex64, torch.float16, torch.float64])))


def _off_simplex(draw: st.DrawFn, x: Tensor) -> Tensor:
    scaled = x * draw(st.sampled_from([0.0, 0.5, 0.99, 1.01, 2.0, 1e30]))
    moved = x.clone()
    moved[..., 0] -= 1.5
    moved[..., 1] += 1.5
    return draw(st.sampled_from([scaled, moved]))


def _outside(draw: st.DrawFn, x: Tensor) -> Tensor:
    x = x.clone()
    x[..., draw(st.integers(0, 1))] = draw(st.sampled_from([-9.1, 9.1, 1e30, -1e30, 100.0]))
    return x


def _mask(draw: st.DrawFn, example: Any) -> Any:
    rows = example if isinstance(example, Tensor) else example[0]
    shape = rows.shape[:-1]
    masks = [torch.ones(shape), torch.ones(shape, dtype=torch.int64), torch.ones(*shape, 1, dtype=torch.bool)]
    masks += [torch.ones(shape, dtype=torch.bool, device="meta")]
    masks += [torch.ones(shape[:-1], dtype=torch.bool), torch.ones(*shape[:-1], 9, dtype=torch.bool)]
    return (
        *((rows,) if isinstance(example, Tensor) else example[:2][: 1 + (len(example) > 2)]),
        draw(st.sampled_from(masks)),
    )


def _graph_mask(draw: st.DrawFn, example: Any) -> Any:
    return (*example[:2], _mask(draw, example[0])[-1])


def _adjacency(draw: st.DrawFn, example: Any) -> Any:
    nodes = example[0]
    shapes = [
        nodes.shape[:-1],
        (*nodes.shape[:-1], 9),
        (*nodes.shape[:-2], 9, 9),
        (2, *nodes.shape[:-1], nodes.shape[-2]),
    ]
    return (nodes, torch.zeros(draw(st.sampled_from(shapes))), *example[2:])


def _lengths(draw: st.DrawFn, example: Any) -> Any:
    steps = example if isinstance(example, Tensor) else example[0]
    contexts = steps.shape[:-2]
    far = st.one_of(st.integers(5, 2**62), st.integers(-(2**62), -1))
    lengths = [
        torch.full(contexts, draw(far)),
        torch.ones(contexts),
        torch.ones(contexts, dtype=torch.bool),
        torch.ones((*contexts, 1), dtype=torch.int64),
        torch.ones((9,), dtype=torch.int64),
        torch.ones(contexts, dtype=torch.complex64),
        torch.ones(contexts, dtype=torch.int64, device="meta"),
    ]
    return steps, draw(st.sampled_from(lengths))


def _leads(draw: st.DrawFn, example: Any) -> Any:
    """Contexts for two encoders that are not equally many."""
    index, vectors = example
    more = draw(st.sampled_from([vectors.expand(7, *vectors.shape), vectors.new_zeros(9, vectors.shape[-1])]))
    return draw(st.sampled_from([(index, more), (index,), (index, vectors, vectors), (vectors, index)]))


def _channels(draw: st.DrawFn, x: Tensor) -> Tensor:
    shape = list(x.shape)
    shape[-3] = draw(st.sampled_from([0, 1, 3, 9]))
    return x.new_zeros(shape)


def _empty_image(draw: st.DrawFn, x: Tensor) -> Tensor:
    return x[..., :0] if draw(st.booleans()) else x[..., :0, :]


_RANGES = {"range": _first(_outside)}
_IMAGES = {"empty": _first(_empty_image), "channels": _first(_channels)}
_JOINED = {"leads": _leads}

_MORE: dict[type, dict[str, Callable[[st.DrawFn, Any], Any]]] = {
    encoders.Table: {"index": _index, "float": _no_index},
    encoders.Simplex: {"simplex": _off_simplex},
    encoders.ScaledVector: _RANGES,
    encoders.QuarterCircle: _RANGES,
    encoders.Set: {"mask": _mask},
    encoders.Tokens: {"mask": _mask},
    encoders.Graph: {"mask": _graph_mask, "adjacency": _adjacency},
    encoders.Sequence: {"lengths": _lengths},
    encoders.Image: _IMAGES,
    encoders.Cells: _IMAGES,
    encoders.Join: _JOINED,
    encoders.WeightedSum: _JOINED,
}
