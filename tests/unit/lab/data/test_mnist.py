import gzip
from pathlib import Path

import pytest
import torch

from hyperdnn.lab.data import DataError, available
from hyperdnn.lab.data import _mnist as module


def idx(folder: Path, payload: bytes) -> Path:
    file = folder / "images.gz"
    file.write_bytes(gzip.compress(payload))
    return file


def test_reads_the_idx_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = idx(tmp_path, bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(6)]))
    monkeypatch.setattr(module, "path", lambda *_: file)
    assert module._idx("mnist", "images.gz").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("payload", [bytes([0, 0, 13, 1, 0, 0, 0, 1, 0]), bytes([0, 0, 8, 1, 0, 0, 0, 9, 0])])
def test_refuses_other_types_and_short_files(payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = idx(tmp_path, payload)
    monkeypatch.setattr(module, "path", lambda *_: file)
    with pytest.raises(DataError, match="expected an idx file of bytes"):
        module._idx("mnist", "images.gz")


@pytest.mark.skipif(not available("mnist"), reason="MNIST is not on this machine: set HYPERDNN_DATA")
def test_published_counts() -> None:
    task = module.mnist()
    assert (len(task.train), len(task.validation), len(task.test)) == (55_000, 5_000, 10_000)
    assert task.shape == (1, 28, 28)
    assert task.train.stored.dtype == torch.uint8
    assert task.validation.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert task.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
    counts = torch.cat([task.train.targets, task.validation.targets]).bincount()
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@pytest.mark.skipif(not available("fashion_mnist"), reason="Fashion-MNIST is not on this machine: set HYPERDNN_DATA")
def test_published_counts_of_clothes() -> None:
    task = module.fashion_mnist(pad=2)
    assert (task.name, task.shape, task.classes) == ("fashion_mnist", (1, 32, 32), 10)
    assert (len(task.train), len(task.validation), len(task.test)) == (55_000, 5_000, 10_000)
    assert task.validation.targets[:5].tolist() == [9, 0, 0, 3, 0]
    assert task.test.targets[:5].tolist() == [9, 2, 1, 1, 6]
    assert torch.cat([task.train.targets, task.validation.targets]).bincount().tolist() == [6000] * 10
