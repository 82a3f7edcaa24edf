"""Saved models that are damaged, foreign, or made to do harm."""

import inspect
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets

from .attempt import Attempt
from .files import NO_FILES, Files, foreign_json, foreign_tensors, instead, put
from .values import misspelt, unreadable

CONFIG, TENSORS = "config.json", "model.safetensors"


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Folders that `from_pretrained` must refuse."""
    saved = [_saved(scratch / "whole", model) for model in (_tasks(), _sets())]
    canary = scratch.parent / "canary"
    broken = _broken(saved, scratch / "broken", canary)
    places = unreadable(scratch).map(
        lambda found: Attempt(f"folder {found[0]}", partial(hd.HyperDNN.from_pretrained, found[1], target=_net()))
    )
    return st.one_of(broken, broken, broken, broken, broken, places)


def whole(scratch: Path) -> list[Callable[[], object]]:
    """Folders that are loaded."""
    return [partial(_load, scratch / "broken", _saved(scratch / "whole", model), None) for model in (_tasks(), _sets())]


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def _tasks() -> hd.HyperDNN:
    return hd.HyperDNN.for_tasks(_net(), 3, hidden=8, combine=targets.LowRank(1))


def _sets() -> hd.HyperDNN:
    """With slots, and with parts whose constructors take counts of layers."""
    target = hd.Target(_net())
    head = heads.ChunkedHead(8, target.layout, 6)
    hypernet = hd.Hypernet(
        encoder=encoders.Graph(2, 4, hidden=8, layers=2, num_heads=2),
        slots=encoders.Slots(head.slots, features=3),
        body=bodies.Attention(7, 8, heads=2),
        head=head,
    )
    return hd.HyperDNN(target, hypernet)


def _saved(folder: Path, model: hd.HyperDNN) -> Files:
    model.save_pretrained(folder)
    files = {name: (folder / name).read_bytes() for name in (CONFIG, TENSORS)}
    shutil.rmtree(folder)
    return files


@st.composite
def _broken(draw: st.DrawFn, saved: list[Files], folder: Path, canary: Path) -> Attempt:
    files = dict(draw(st.sampled_from(saved)))
    how = draw(
        st.sampled_from(
            ["cut", "cut", "value", "value", "value", "json", "tensors", "instead", "twice", "arguments", "mixed"]
        )
    )
    shown, gone = "", None
    name = draw(st.sampled_from([CONFIG, TENSORS]))
    if how == "cut":
        end = draw(st.integers(0, len(files[name].rstrip()) - 1))
        shown, files[name] = f"{name} at {end}", files[name][:end]
    elif how == "value":
        config = json.loads(files[CONFIG])
        shown = _break(draw, config)
        files[CONFIG] = json.dumps(config).encode()
    elif how == "arguments":
        config = json.loads(files[CONFIG])
        shown = _break_arguments(draw, config)
        files[CONFIG] = json.dumps(config).encode()
    elif how == "json":
        files[CONFIG] = draw(foreign_json(canary))
    elif how == "tensors":
        files[TENSORS] = draw(foreign_tensors(files[TENSORS], canary))
        shown = repr(files[TENSORS][:200])
    elif how == "twice":
        text = files[CONFIG].decode()
        key = draw(st.sampled_from(['"format": 1', '"own": true', '"buffers": null', '"train_base": false']))
        shown, files[CONFIG] = key, text.replace(key, f"{key}, {key}", 1).encode()
    elif how == "mixed":
        files[name] = draw(st.sampled_from([one for one in saved if one is not None and one[name] != files[name]]))[
            name
        ]
    else:
        gone = (name, draw(st.sampled_from(NO_FILES)))
        shown = str(gone)
    return Attempt(f"{how} {shown}"[:300], partial(_load, folder, files, gone))


def _load(folder: Path, files: Files, gone: tuple[str, str] | None) -> object:
    put(folder, files)
    if gone is not None:
        instead(folder, *gone)
    return hd.HyperDNN.from_pretrained(folder, target=_net())


_NUMBERS = ("layout/specs/#/init_mean", "layout/specs/#/init_std")
_WRONG: tuple[Any, ...] = (
    None,
    3,
    -1,
    1.5,
    "x",
    "os.system",
    "../../x",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "",
    10**30,
    float("nan"),
    ["x", "x"],
)


def _break(draw: st.DrawFn, config: dict[str, Any]) -> str:
    """Removes or replaces something that loading depends on, at any depth."""
    path = draw(st.sampled_from([*sorted(_NEEDED), *_NUMBERS]))
    keys = path.split("/")
    place: Any = config
    for key in keys[:-1]:
        if key == "#":
            key = (
                draw(st.integers(0, len(place) - 1))
                if isinstance(place, list)
                else draw(st.sampled_from(sorted(place)))
            )
        place = place[key]
    last = keys[-1]
    before = place[last]
    if path != "hypernet/stream" and draw(st.integers(0, 3)) == 0:
        del place[last]
        return f"{path} removed"
    if path in _NUMBERS:
        place[last] = draw(st.sampled_from([None, "0", [], {}, True, float("nan"), float("inf"), -float("inf")]))
        return f"{path} = {place[last]!r}"
    place[last] = draw(
        st.sampled_from([one for one in _WRONG if type(one) is not type(before) or _NEEDED[path](one, before)])
    )
    return f"{path} = {place[last]!r}"


def _always(wrong: object, before: object) -> bool:
    return wrong != before


_NEEDED: dict[str, Callable[[Any, Any], bool]] = {
    "format": _always,
    "target": _always,
    "target/select": _always,
    "target/combine": _always,
    "target/combine/class": _always,
    "target/combine/arguments": _always,
    "target/train_base": _always,
    "hypernet": _always,
    "hypernet/own": _always,
    "hypernet/stream": _always,
    "hypernet/parts": _always,
    "hypernet/parts/#/class": _always,
    "hypernet/parts/#/own": _always,
    "hypernet/parts/#/arguments": _always,
    "layout": _always,
    "layout/fingerprint": _always,
    "layout/specs": _always,
    "layout/specs/#/name": _always,
    "layout/specs/#/shape": _always,
    "layout/specs/#/dtype": _always,
    "layout/specs/#/kind": _always,
    "layout/specs/#/fan_in": lambda wrong, before: wrong < 0,
    "layout/specs/#/layer": lambda wrong, before: wrong != [] and wrong != ["x", "x"],
    "layout/specs/#/aliases": lambda wrong, before: wrong != before,
    "shared": lambda wrong, before: wrong != before,
    "frozen": lambda wrong, before: wrong not in (before, []),
}


def _break_arguments(draw: st.DrawFn, config: dict[str, Any]) -> str:
    """Arguments of parts that are not those of the saved tensors: sizes, counts, names."""
    parts = config["hypernet"]["parts"]
    part = parts[draw(st.sampled_from(sorted(parts)))]
    arguments = part["arguments"]
    name = draw(st.sampled_from(sorted(arguments)))
    cls = next(getattr(folder, part["class"]) for folder in (encoders, bodies, heads) if hasattr(folder, part["class"]))
    required = inspect.signature(cls).parameters[name].default is inspect.Parameter.empty  # others have a value without
    how = draw(
        st.sampled_from(
            ["removed", "misspelt", "sizes", "sizes", "type"] if required else ["misspelt", "sizes", "type"]
        )
    )
    value = arguments[name]
    if how == "misspelt" or value is None or isinstance(value, bool | float | str):
        arguments[draw(misspelt(sorted(arguments)))] = arguments.pop(name)
    elif how == "removed":
        del arguments[name]
    elif how == "sizes":
        size = draw(
            st.integers(1, 10**6).map(lambda n: n * 1009)
            | st.sampled_from([-1, -8, 10**7, 10**9, 10**15, 2**63, 10**30])
        )
        arguments[name] = [size] * max(1, len(value)) if isinstance(value, list) else size
    else:
        arguments[name] = draw(
            st.sampled_from([None, "8", 8.5, [[8]], {"a": 8}, [None], "os.system", -0.5, float("inf")])
        )
    return f"{name} {how} {arguments.get(name)!r}"
