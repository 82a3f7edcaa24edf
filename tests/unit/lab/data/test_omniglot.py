import io
import zipfile

import pytest
import torch
from PIL import Image

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import DataError, available
from hyperdnn.lab.data import _omniglot as module


def archive(folder, images):
    file = folder / "small.zip"
    with zipfile.ZipFile(file, "w") as made:
        for name, image in images.items():
            stream = io.BytesIO()
            image.save(stream, "png")
            made.writestr(name, stream.getvalue())
    return file


def test_images_are_read_in_order_and_averaged(tmp_path, monkeypatch):
    images = {}
    for character in (2, 1):
        for drawer in range(1, 21):
            image = Image.new("1", (4, 4), 1)  # white paper
            image.putpixel((0, 0), 0)
            if character == 2:
                image.putpixel((1, 1), 0)
            images[f"small/Greek/character{character:02}/{character:04}_{drawer:02}.png"] = image
    images["small/Latin/character01/0001_01.png"] = Image.new("1", (4, 4), 1)
    file = archive(tmp_path, images)
    monkeypatch.setattr(module, "path", lambda *_: file)
    found = module._read("small", ("Greek",), 2)
    assert found.shape == (2, 20, 1, 2, 2)
    assert found.dtype == torch.uint8
    assert found[0, 7, 0].tolist() == [[63, 0], [0, 0]]  # one pixel of four, as bright ink
    assert found[1, 19, 0].tolist() == [[127, 0], [0, 0]]


def test_a_drawer_that_is_missing_is_named(tmp_path, monkeypatch):
    file = archive(tmp_path, {"small/Greek/character01/0001_01.png": Image.new("1", (4, 4), 1)})
    monkeypatch.setattr(module, "path", lambda *_: file)
    with pytest.raises(DataError, match="expected 20 images of each character, got 1"):
        module._read("small", ("Greek",), 2)


@pytest.mark.parametrize("pixels", [0, 106])
def test_sides_that_make_no_sense_are_named(pixels):
    with pytest.raises(ConfigError, match=f"pixels: expected 1 to 105, got {pixels}"):
        module.omniglot(pixels=pixels)


@pytest.mark.skipif(not available("omniglot"), reason="Omniglot is not on this machine: set HYPERDNN_DATA")
def test_published_counts_and_no_character_in_two_parts():
    images = module.omniglot(pixels=14)
    assert {part: tuple(stored.shape) for part, stored in images.items()} == {
        "train": (136, 20, 1, 14, 14),
        "validation": (42, 20, 1, 14, 14),
        "test": (64, 20, 1, 14, 14),
    }
    ink = torch.cat(list(images.values())).float().mean() / 255
    assert 0.03 < ink < 0.15  # strokes, not paper
    characters = torch.cat([stored[:, :, 0].flatten(1) for stored in images.values()])
    assert len(characters.unique(dim=0)) == 242
