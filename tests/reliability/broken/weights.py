"""Weights and data that do not fit a target, and layouts that do not fit anything."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.layout import ParamLayout

from .attempt import Attempt
from .values import misspelt

_OTHERS = (3, None, "w", [1.0], b"", {}, object(), 1j, (), nn.Linear(1, 1))


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Calls and layouts that must be refused."""
    made = [_target(None), _target(targets.Residual()), _target(targets.LowRank(1)), _target(targets.Gaussian())]
    return st.one_of(_weights(made), _weights(made), _calls(made[0]), _layouts(made[0].layout), _selections())


def whole(scratch: Path) -> list[Callable[[], object]]:
    """Weights as each target wants them, in each verb."""
    made = [_target(None), _target(targets.Residual()), _target(targets.LowRank(1)), _target(targets.Gaussian())]
    verbs = {"call": (), "bake": (), "batched": (3,), "paired": (3,), "grouped": (3,), "effective": (3,), "join": (3,)}
    uses = [partial(_use, one, verb, _valid(one.layout, *c), c) for one in made for verb, c in verbs.items()]
    return [*uses, partial(ParamLayout.from_json, made[0].layout.to_json())]


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2))


def _target(combine: Any) -> hd.Target:
    return hd.Target(_net(), combine=combine)


def _valid(layout: ParamLayout, *contexts: int) -> dict[str, Tensor]:
    return {spec.name: torch.zeros(*contexts, *spec.shape) for spec in layout}


@st.composite
def _weights(draw: st.DrawFn, made: list[hd.Target]) -> Attempt:
    target = draw(st.sampled_from(made))
    contexts = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    whole = _valid(target.layout, *contexts)
    name = draw(st.sampled_from(list(whole)))
    how = draw(st.sampled_from(sorted(_WEIGHTS)))
    wrong = _WEIGHTS[how](draw, dict(whole), name)
    verb = draw(st.sampled_from(["call", "batched", "paired", "grouped", "bake", "effective", "join", "check"]))
    return Attempt(f"weights: {how} of {name} {contexts} in {verb}", partial(_use, target, verb, wrong, contexts))


def _use(target: hd.Target, verb: str, weights: Any, contexts: tuple[int, ...]) -> object:
    if verb in ("join", "check"):
        return getattr(target.layout, verb)(weights)
    if verb in ("bake", "effective"):
        return getattr(target, verb)(weights)
    if verb == "call":
        return target(weights, torch.zeros(5, 3))
    if verb == "grouped":
        return target.grouped(weights, torch.zeros(5, 3), index=torch.zeros(5, dtype=torch.int64))
    return getattr(target, verb)(weights, torch.zeros(*contexts, *((5, 3) if verb == "batched" else (3,))))


def _misspelt(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    weights[draw(misspelt(list(weights)))] = weights.pop(name)
    return weights


def _missing(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    del weights[name]
    return weights


def _unknown(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    key: Any = draw(st.one_of(misspelt(list(weights)), st.integers(), st.none(), st.tuples(st.text(max_size=3))))
    return {**weights, key: weights[name]}


def _shape(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    """Shapes that broadcasting would take, and others."""
    shape = list(weights[name].shape)
    at = draw(st.integers(0, len(shape) - 1))
    size = draw(st.integers(0, 7).filter(lambda n: n != shape[at]))
    shape[at] = size
    wrong = [
        torch.zeros(shape),
        torch.zeros(()),
        torch.zeros(1),
        torch.zeros(*weights[name].shape, 1),
        weights[name].flatten(),
    ]
    wrong = [one for one in wrong if one.shape != weights[name].shape]
    weights[name] = draw(st.sampled_from(wrong))
    return weights


def _more_contexts(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    weights[name] = weights[name].expand(draw(st.integers(2, 3)), *weights[name].shape)
    return weights


def _no_real(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    kinds = [torch.int64, torch.bool, torch.complex64, torch.uint8, torch.complex128]
    weights[name] = weights[name].to(draw(st.sampled_from(kinds)))
    return weights


def _no_tensor(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    weights[name] = draw(st.sampled_from([*_OTHERS, weights[name].tolist(), weights[name].numpy()]))
    return weights


def _no_mapping(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    return draw(st.sampled_from([*_OTHERS, list(weights.values()), weights[name], list(weights.items()), set(weights)]))


def _elsewhere(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    weights[name] = weights[name].to("meta")
    return weights


def _sparse(draw: st.DrawFn, weights: dict[str, Any], name: str) -> Any:
    weights[name] = weights[name].to_sparse()
    return weights


_WEIGHTS: dict[str, Callable[[st.DrawFn, dict[str, Any], str], Any]] = {
    "misspelt": _misspelt,
    "missing": _missing,
    "unknown": _unknown,
    "shape": _shape,
    "contexts": _more_contexts,
    "dtype": _no_real,
    "no tensor": _no_tensor,
    "no mapping": _no_mapping,
    "device": _elsewhere,
    "sparse": _sparse,
}


@st.composite
def _calls(draw: st.DrawFn, target: hd.Target) -> Attempt:
    """Valid weights, and data or options that do not go with them."""
    one, many, x = _valid(target.layout), _valid(target.layout, 3), torch.zeros(3, 5, 3)
    index = draw(
        st.one_of(
            st.lists(st.integers(0, 2), min_size=0, max_size=9).filter(lambda found: len(found) != 5).map(torch.tensor),
            st.integers(3, 2**62).map(lambda n: torch.tensor([0, 1, n, 2, 0])),
            st.integers(-(2**62), -1).map(lambda n: torch.tensor([0, 1, n, 2, 0])),
            st.sampled_from(
                [
                    torch.zeros(5),
                    torch.zeros(5, 1, dtype=torch.int64),
                    torch.ones(5, dtype=torch.bool),
                    3,
                    [0] * 5,
                    None,
                ]
            ),
            st.sampled_from([torch.zeros(5, dtype=torch.int64, device="meta"), torch.zeros(5, dtype=torch.complex64)]),
        )
    )
    dims = draw(
        st.one_of(
            st.integers(-5, 5).filter(bool),
            st.lists(st.sampled_from([0, None]), min_size=2, max_size=4),
            st.just([1]),
            st.just("0"),
            st.just([]),
            st.just(1.5),
        )
    )
    word = draw(misspelt(["vmap", "loop", "different", "same"]))
    rows = draw(st.sampled_from([torch.zeros(2, 5, 3), torch.zeros(4, 5, 3), torch.zeros(()), torch.zeros(0, 5, 3)]))
    calls: dict[str, Callable[[], object]] = {
        f"index {index}": partial(target.grouped, many, x[0], index=index),
        f"data_dims {dims}": partial(target.batched, many, x, data_dims=dims),
        f"data_dims {dims} paired": partial(target.paired, many, x[:, 0], data_dims=dims),
        f"rows {tuple(rows.shape)}": partial(target.batched, many, rows),
        f"rows {tuple(rows.shape)} paired": partial(target.paired, many, rows),
        "many in a call": partial(target, many, x[0]),
        "one in batched": partial(target.batched, one, x),
        "one in paired": partial(target.paired, one, x[0]),
        "one in grouped": partial(target.grouped, one, x[0], index=torch.zeros(5, dtype=torch.int64)),
        "many in bake": partial(target.bake, many),
        f"mode {word}": partial(target.batched, many, x, mode=word),
        f"randomness {word}": partial(target.batched, many, x, randomness=word),
        f"resize {word}": partial(target.resize, word, 9),
        "resize to fewer": partial(target.resize, "3", draw(st.integers(-5, 2))),
    }
    name = draw(st.sampled_from(sorted(calls)))
    return Attempt(f"call: {name}", calls[name])


@st.composite
def _layouts(draw: st.DrawFn, layout: ParamLayout) -> Attempt:
    data = json.loads(json.dumps(layout.to_json()))
    key = draw(st.sampled_from(sorted(data[0])))
    at = draw(st.integers(0, len(data) - 1))
    if draw(st.integers(0, 3)) == 0:
        data = draw(
            st.sampled_from([[], None, 3, {}, "layout", [1], [None], [[]], data + data[:1], [{}], {"0": data[0]}])
        )
        return Attempt(f"layout {str(data)[:40]}", partial(ParamLayout.from_json, data))
    if draw(st.booleans()):
        del data[at][key]
        return Attempt(f"layout without {key}", partial(ParamLayout.from_json, data))
    wrong: dict[str, list[Any]] = {
        "name": [None, 3, [], {}],
        "shape": [None, 3, "ab", [-1], [1.5], ["3"], [None], [True], {"a": 1}, [10**30], [-3, -4]],
        "dtype": [None, 3, "floaty", "save", "os", "__dict__", "Tensor", ""],
        "kind": [None, 3, "lineer", [], ""],
        "fan_in": [None, "3", 1.5, -1, True, [], 10**30],
        "fan_out": [None, "3", 1.5, -1, True, [], 10**30],
        "init_mean": [None, "0", math.nan, math.inf, [], True],
        "init_std": [None, "1", math.nan, math.inf, -1.0, [], True],
        "layer": [None, 3, "torch", [1], {"a": 1}],
        "aliases": [None, 3, "ab", [1], [data[0]["name"]], {"a": 1}],
    }
    data[at][key] = draw(st.sampled_from(wrong[key]))
    return Attempt(f"layout {key} {data[at][key]!r}", partial(ParamLayout.from_json, data))


@st.composite
def _selections(draw: st.DrawFn) -> Attempt:
    names = [name for name, _ in _net().named_parameters()]
    glob = draw(
        st.one_of(
            misspelt(names),
            st.sampled_from(
                [3, None, 1.5, b"*", {}, [], "", (), [[]], nn.Embedding, str, int, object(), lambda spec: False]
            ),
        )
    )
    return Attempt(f"select {glob!r}"[:60], partial(hd.Target, _net(), glob))
