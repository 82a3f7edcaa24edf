"""Checkpoints of a training that are cut, flipped, foreign, or forged with sums that fit."""

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hyperdnn.lab.data import Batch
from hyperdnn.lab.train import Checkpoints
from hyperdnn.lab.train._checkpoint import write_checkpoint

from .attempt import Attempt
from .files import NO_FILES, Files, foreign_json, foreign_tensors, instead, put

MANIFEST, VALUES, TENSORS = "manifest.json", "state.json", "state.safetensors"


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Checkpoints that must not be gone on from."""
    return _broken(_written(scratch / "whole"), scratch / "run", scratch.parent / "canary")


def whole(scratch: Path) -> list[Callable[[], object]]:
    """A checkpoint that is gone on from."""
    return [partial(_latest, scratch / "run", _written(scratch / "whole"), None)]


def _written(folder: Path) -> Files:
    value = {
        "step": 5,
        "task": 1,
        "model": {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)},
        "frozen": ("a", None, True),
        "seconds": 1.5,
        "training_s": 1.0,
        "batch": Batch(inputs=torch.zeros(2, 3), targets=torch.zeros(2), context=torch.tensor(1)),
        "keys": {1: float("inf"), (2, "x"): [torch.tensor(3)]},
    }
    write_checkpoint(folder, value, about={"step": 5, "task": 1, "score": 0.5})
    files = {name: (folder / name).read_bytes() for name in (MANIFEST, VALUES, TENSORS)}
    shutil.rmtree(folder)
    return files


@st.composite
def _broken(draw: st.DrawFn, whole: Files, run: Path, canary: Path) -> Attempt:
    files, gone = dict(whole), None
    name = draw(st.sampled_from([MANIFEST, VALUES, TENSORS]))
    how = draw(
        st.sampled_from(
            [
                "cut",
                "flip",
                "flip",
                "more",
                "swap",
                "instead",
                "forged values",
                "forged tensors",
                "forged tree",
                "forged manifest",
                "manifest",
            ]
        )
    )
    shown: object = name
    if how == "cut":
        end = draw(st.integers(0, len(files[name]) - 1))
        shown, files[name] = f"{name} at {end}", files[name][:end]
    elif how == "flip":
        bit = draw(st.integers(0, 8 * len(files[name]) - 1))
        content = bytearray(files[name])
        content[bit // 8] ^= 1 << bit % 8
        shown, files[name] = f"{name} bit {bit}", bytes(content)
    elif how == "more":
        files[name] += draw(st.binary(min_size=1, max_size=20))
    elif how == "swap":
        files[name] = files[draw(st.sampled_from([one for one in files if one != name]))]
    elif how == "instead":
        gone = (name, draw(st.sampled_from(NO_FILES)))
        shown = gone
    elif how == "forged values":
        files[VALUES] = draw(foreign_json(canary).filter(lambda content: content != b"{}"))
        shown = files[VALUES][:40]
        _resum(files)
    elif how == "forged tensors":
        files[TENSORS] = draw(foreign_tensors(files[TENSORS], canary))
        shown = files[TENSORS][:200]
        _resum(files)
    elif how == "forged tree":
        shown = _break_tree(draw, files)
        _resum(files)
    elif how == "forged manifest":
        shown = _break_manifest(draw, files)
    else:
        files[MANIFEST] = draw(foreign_json(canary))
        shown = files[MANIFEST][:40]
    return Attempt(f"{how} {shown}"[:300], partial(_latest, run, files, gone))


def _latest(run: Path, files: Files, gone: tuple[str, str] | None) -> object:
    run.mkdir(exist_ok=True)
    put(run / "step-000005", files)
    if gone is not None:
        instead(run / "step-000005", *gone)
    found = Checkpoints(run).latest()
    return found and found.value()


def _seal(body: dict[str, Any]) -> bytes:
    """A manifest with a sum of itself, as a stranger can make one."""
    digest = hashlib.sha256(json.dumps(body, indent=2).encode()).hexdigest()
    return (json.dumps({**body, "sha256": digest}, indent=2) + "\n").encode()


def _body(files: Files) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(files[MANIFEST])
    del body["sha256"]
    return body


def _resum(files: Files) -> None:
    body = _body(files)
    for name in (VALUES, TENSORS):
        body["files"][name] = {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
    files[MANIFEST] = _seal(body)


_NODES: tuple[Any, ...] = (
    {"tensor": "nowhere"},
    {"tensor": 3},
    {"tensor": "model.weight", "more": 1},
    {"device tensor": []},
    {"float": "1e3"},
    {"float": 3},
    {"float": "nan", "x": 1},
    {"tuple": 3},
    {"tuple": {"a": 1}},
    {"dict": [[1]]},
    {"dict": [[1, 2, 3]]},
    {"dict": [3]},
    {"dict": {"a": 1}},
    {"dict": [[[], 1]]},
    {"dict": [[{"dict": []}, 1]]},
    {"class": "Popen", "fields": {"args": "ls"}},
    {"class": "os.system", "fields": {}},
    {"class": "Batch", "fields": {"code": 1}},
    {"class": "Batch", "fields": []},
    {"class": "Batch"},
    {"class": ["Batch"], "fields": {}},
    {"class": "Memory", "fields": {"x": 1}},
    {"class": "Batch", "fields": {}, "more": 1},
    {"__reduce__": ["os.system", "ls"]},
    {"py/object": "os.system"},
    {},
    {"a": 1},
)


def _break_tree(draw: st.DrawFn, files: Files) -> str:
    """One node of the values that `flatten` never makes."""
    tree = json.loads(files[VALUES])
    node = draw(st.sampled_from(_NODES))
    at = draw(st.integers(0, len(tree["dict"]) - 1))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        node = draw(st.sampled_from([{"tuple": [node]}, [node], {"dict": [["x", node]]}]))
    tree["dict"][at][1] = node
    files[VALUES] = json.dumps(tree).encode()
    return str(node)


_MANIFESTS: dict[str, tuple[Any, ...]] = {
    "format": (0, 2, "1", None, [], 1.5),
    "step": ("5", None, 1.5, [], {}, -1),
    "task": ("0", None, 1.5, [], {}, -1),
    "score": ("low", [], {}),
    "files": (None, [], {}, 3, {VALUES: 1, TENSORS: 2}, {VALUES: {"size": 1, "sha256": ""}}, {"../state.json": {}}),
    "files.size": (0, -1, 10**15, "12", None, 1.5, [], 2**70),
    "files.sha256": ("", None, 3, "0" * 64, [], "x"),
    "files.name": ("../state.json", "/etc/passwd", "..", "", "state.json\0", "/dev/zero"),
}


def _break_manifest(draw: st.DrawFn, files: Files) -> str:
    body = _body(files)
    key = draw(st.sampled_from(sorted(_MANIFESTS)))
    value = draw(st.sampled_from(_MANIFESTS[key]))
    name = draw(st.sampled_from([VALUES, TENSORS]))
    group, _, leaf = key.partition(".")
    if leaf == "name":
        body["files"][value] = body["files"].pop(name)
    elif leaf:
        body["files"][name][leaf] = value
    elif draw(st.booleans()):
        del body[key]
    else:
        body[group] = value
    files[MANIFEST] = _seal(body)
    return f"{key} = {value!r}"
