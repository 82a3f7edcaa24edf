"""Files that are broken: cut, foreign, not files at all."""

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

__all__ = ["Files", "foreign_json", "foreign_tensors", "header", "instead", "packed", "put"]

Files = dict[str, bytes]


def put(folder: Path, files: Files) -> None:
    """A folder of these files and nothing else in their places."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if path.is_symlink() or path.is_fifo():
            path.unlink()
        elif path.is_dir():
            path.rmdir()
        path.write_bytes(content)


def instead(folder: Path, name: str, what: str) -> None:
    """Puts something else where a file should be."""
    path = folder / name
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what != "nothing":
        path.symlink_to(
            {"loop": path, "device": "/dev/zero", "random": "/dev/urandom", "dangling": "/nowhere"}.get(what, what)
        )


NO_FILES = (
    "nothing",
    "folder",
    "pipe",
    "loop",
    "device",
    "random",
    "dangling",
    "../../../../../../etc/passwd",
    "/etc/passwd",
)


class _Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return open, (str(self.canary), "w")


def packed(canary: Path) -> bytes:
    """A pickle that leaves a file behind when it is loaded."""
    return pickle.dumps(_Evil(canary))


@st.composite
def foreign_json(draw: st.DrawFn, canary: Path) -> bytes:
    """What is no JSON object, or no end of one."""
    depth = draw(st.integers(900, 200_000))
    digits = draw(st.integers(4400, 20_000))
    return draw(
        st.sampled_from(
            [
                packed(canary),
                b"[" * depth,
                b'{"a":' * depth,
                b'{"format": 1, "x": ' + b"[" * depth + b"]" * depth + b"}",
                b'{"format": ' + b"9" * digits + b"}",
                b"[]", b"null", b"1", b'"x"', b"true", b"", b"{}", b"NaN", b"\xff\xfe{\x00}\x00", b"\x00" * digits,
                b'{"format": 1} {"format": 1}', b"{'format': 1}", b'{"format": 1,}', b'{"format": "1"}',
                b"PK\x03\x04" + b"x" * 99, b"\x1f\x8b\x08" + b"\x00" * 50,
            ]
        )
    )  # fmt: skip


def header(text: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    """A safetensors file with this header, and whatever it claims to be long."""
    return struct.pack("<Q", len(text) if size is None else size) + text + body


@st.composite
def foreign_tensors(draw: st.DrawFn, whole: bytes, canary: Path) -> bytes:
    """What is no safetensors file, or lies about its sizes."""
    (length,) = struct.unpack("<Q", whole[:8])
    table: dict[str, Any] = json.loads(whole[8 : 8 + length])
    body = whole[8 + length :]
    name = draw(st.sampled_from([key for key in table if key != "__metadata__"]))
    huge = draw(st.sampled_from([2**31, 2**40, 2**62, 2**64 - 1, 10**30, -1, 1.5, "9", None]))
    entry = dict(table[name])
    how = draw(
        st.sampled_from(
            ["shape", "end", "begin", "dtype", "overlap", "no body", "size", "pickle", "depth", "no json", "swap"]
        )
    )
    if how == "shape":
        entry["shape"] = [huge, *entry["shape"][1:]] if entry["shape"] else [huge]
    elif how == "end":
        entry["data_offsets"] = [entry["data_offsets"][0], huge]
    elif how == "begin":
        entry["data_offsets"] = [huge, entry["data_offsets"][1]]
    elif how == "dtype":
        entry["dtype"] = draw(st.sampled_from(["F99", "os.system", "", 3, None, "F16", "I8", "BOOL"]))
    elif how == "overlap":
        entry["data_offsets"] = [0, len(body) + 8]
    changed = json.dumps({**table, name: entry}).encode()
    if how == "no body":
        return header(changed)
    if how == "size":
        return header(changed, body, draw(st.sampled_from([0, 1, 2**20, 2**32, 2**63 - 1, 2**64 - 1, 100_000_001])))
    if how == "pickle":
        return packed(canary)
    if how == "depth":
        return header(b'{"a":' * draw(st.integers(200, 20_000)), body)
    if how == "no json":
        return header(draw(st.sampled_from([b"", b"[]", b"{", b"null", b"\xff" * 9, b'{"a": 1}', b'{"a": {}}'])), body)
    if how == "swap":
        return header(json.dumps({**table, f"../{name}": table[name]}).encode(), body)
    return header(changed, body)
