import io
import tarfile

import pytest
import torch
from PIL import Image

from hyperdnn.lab.data import DataError, available
from hyperdnn.lab.data import _cifar10 as module


def _archive(folder, images):
    file = folder / "small.tar.xz"
    with tarfile.open(file, "w:xz") as made:
        folder_entry = tarfile.TarInfo("images/train/cat")
        folder_entry.type = tarfile.DIRTYPE
        made.addfile(folder_entry)
        for name, image in images.items():
            stream = io.BytesIO()
            image.save(stream, "png")  # lossless, so that pixels can be told
            entry = tarfile.TarInfo(f"images/{name}")
            entry.size = stream.tell()
            stream.seek(0)
            made.addfile(entry, stream)
    return file


def _image(number):
    image = Image.new("RGB", (32, 32), (number, 0, 0))
    image.putpixel((5, 2), (0, 0, 200))  # column, row
    return image


def test_classes_and_files_come_in_the_order_of_their_names(tmp_path, monkeypatch):
    parts = [("train/dog/0.jpg", 7), ("train/cat/1.jpg", 4), ("train/cat/0.jpg", 3), ("train/dog/1.jpg", 8)]
    images = {name: _image(number) for name, number in [*parts, ("test/dog/9.jpg", 2), ("test/cat/9.jpg", 1)]}
    file = _archive(tmp_path, images)
    monkeypatch.setattr(module, "path", lambda *_: file)
    monkeypatch.setattr(module, "_VALIDATION", 1)
    task = module.cifar10()
    assert (task.name, task.shape, task.classes) == ("cifar10", (3, 32, 32), 2)
    found = {name: getattr(task, name).stored[:, 0, 0, 0].tolist() for name in ("train", "validation", "test")}
    assert found == {"train": [4, 8], "validation": [3, 7], "test": [1, 2]}
    assert [getattr(task, name).targets.tolist() for name in found] == [[0, 1]] * 3
    assert task.test.stored[0, 2].nonzero().tolist() == [[2, 5]]
    assert module.cifar10(pad=1).shape == (3, 34, 34)


def test_other_images_are_refused(tmp_path, monkeypatch):
    file = _archive(tmp_path, {"train/cat/0.jpg": Image.new("L", (32, 32))})
    monkeypatch.setattr(module, "path", lambda *_: file)
    with pytest.raises(DataError, match=r"'images/train/cat/0.jpg' is not an image of 32 x 32 pixels in colours"):
        module.cifar10()


@pytest.mark.skipif(not available("cifar10"), reason="CIFAR-10 is not on this machine: set HYPERDNN_DATA")
def test_published_counts():
    task = module.cifar10(normalise=True)
    counts = {name: getattr(task, name).targets.bincount().tolist() for name in ("train", "validation", "test")}
    assert counts == {"train": [4500] * 10, "validation": [500] * 10, "test": [1000] * 10}
    assert task.shape == (3, 32, 32)
    assert task.train.stored.dtype == torch.uint8
    means = task.test.stored.float().mean((0, 2, 3)) / 255
    torch.testing.assert_close(means, torch.tensor([0.494, 0.485, 0.450]), atol=0.005, rtol=0)
