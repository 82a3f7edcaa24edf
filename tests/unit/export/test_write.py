from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hyperdnn.errors import CheckpointError, ExportError
from hyperdnn.export._example import example_of
from hyperdnn.export._write import write


class Noisy(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + torch.rand(())


class Silent(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:  # type: ignore[override]
        return {"done": True}  # type: ignore[return-value]


class Picky(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if len(input) < 2:
            raise ValueError("two at least")
        return super().forward(input)


def _save(place: Path) -> None:
    place.write_bytes(b"12345")
    place.with_name(f"{place.name}.data").write_bytes(b"6")


def _write(net: nn.Module, path: Path, run: object, x: Tensor | None = None):
    example = example_of(net, torch.randn(3, 2) if x is None else x, context=None, batch=0)
    return write(net, path, example, _save, lambda place: run)  # type: ignore[arg-type,return-value]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_take_their_place_together(tmp_path: Path) -> None:
    net = nn.Linear(2, 4)
    found = _write(net, tmp_path / "new" / "net.bin", net)
    assert _names(tmp_path / "new") == ["net.bin", "net.bin.data"]
    assert (found.path, found.bytes, found.numbers) == (tmp_path / "new" / "net.bin", 6, 12)
    assert (found.difference.largest, found.run) == (0.0, net)


def test_what_computes_something_else_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_text("old")
    with pytest.raises(ExportError, match="something else than the network for the example"):
        _write(nn.Linear(2, 4), tmp_path / "net.bin", nn.Linear(2, 4))
    assert _names(tmp_path) == ["net.bin"]
    assert (tmp_path / "net.bin").read_text() == "old"


@pytest.mark.parametrize("size", [1, 6])
def test_what_fits_the_example_only(size: int, tmp_path: Path) -> None:
    net = nn.Linear(2, 4)
    words = {1: "one sample", 6: "twice as many samples"}[size]
    with pytest.raises(ExportError, match=f"something else than the network for {words}"):
        _write(net, tmp_path / "net.bin", lambda x: net(x) + float(len(x) == size))

    def refuse(x: Tensor) -> Tensor:
        if len(x) == size:
            raise KeyError("fixed")
        return net(x)

    with pytest.raises(ExportError, match=f"does not take {words}: 'fixed'"):
        _write(net, tmp_path / "net.bin", refuse)
    assert _names(tmp_path) == []


def test_sizes_that_the_network_refuses_are_not_asked_of_the_file(tmp_path: Path) -> None:
    net = Picky(2, 4)
    assert _write(net, tmp_path / "net.bin", net).difference.within


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Noisy(2, 4), r"Noisy returns something else in each call.*model\.bake\(context\) draws"),
        (Silent(2, 4), "Silent returns no tensors"),
    ],
)
def test_what_cannot_be_compared(net: nn.Module, words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        _write(net, tmp_path / "net.bin", net)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (".", "is a folder: name a file"),
        ("/dev/null/net.bin", "is a file, not a folder"),
        ("x" * 300, "cannot be exported into"),
        ("a\0b", "cannot be exported into"),
    ],
)
def test_a_place_that_cannot_be_written(place: str, words: str, tmp_path: Path) -> None:
    net = nn.Linear(2, 4)
    with pytest.raises(CheckpointError, match=words):
        _write(net, tmp_path / place, net)
    assert _names(tmp_path) == []
